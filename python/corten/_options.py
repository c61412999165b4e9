"""SessionOptions and RunOptions."""
import enum
import os
import sys
import threading

import numpy as np

from . import _corten, _errors


class GraphOptimizationLevel(enum.IntEnum):
    ORT_DISABLE_ALL = 0
    ORT_ENABLE_BASIC = 1
    ORT_ENABLE_EXTENDED = 2
    ORT_ENABLE_LAYOUT = 3
    ORT_ENABLE_ALL = 99


class ExecutionMode(enum.IntEnum):
    ORT_SEQUENTIAL = 0
    ORT_PARALLEL = 1


class ExecutionOrder(enum.IntEnum):
    DEFAULT = 0
    PRIORITY_BASED = 1
    MEMORY_EFFICIENT = 2


class OrtAllocatorType(enum.IntEnum):
    INVALID = -1
    ORT_DEVICE_ALLOCATOR = 0
    ORT_ARENA_ALLOCATOR = 1


class OrtMemType(enum.IntEnum):
    CPU_INPUT = -2
    CPU_OUTPUT = -1
    CPU = -1
    DEFAULT = 0


class OrtMemoryInfo:
    """Names an allocator; there is one, whatever the name."""

    def __init__(self, name, allocator_type, device_id, mem_type):
        self.name, self.allocator_type = name, OrtAllocatorType(allocator_type)
        self.device_id, self.mem_type = device_id, OrtMemType(mem_type)


class OrtArenaCfg:
    """How an arena of onnxruntime's grows; arenas here have the size that the plan says."""

    def __init__(self, *settings):
        self.settings = settings


def create_and_register_allocator(mem_info, arena_cfg):
    """Has no effect: sessions share the process's allocator in any case."""


class Precision(enum.IntEnum):
    """What products compute with."""
    F32 = 0
    BF16 = 1


# Keys of onnxruntime's session configuration that act.
AFFINITIES_KEY = "session.intra_op_thread_affinities"
DENORMALS_KEY = "session.set_denormal_as_zero"
DISABLE_OPTIMIZERS_KEY = "optimization.disable_specified_optimizers"
DISABLE_QDQ_KEY = "session.disable_quant_qdq"
EXTERNAL_KEY = "session.optimized_model_external_initializers_file_name"
FOLDER_KEY = "session.model_external_initializers_file_folder_path"
PREPACKING_KEY = "session.disable_prepacking"
SPINNING_KEY = "session.intra_op.allow_spinning"
ACTING_KEYS = {AFFINITIES_KEY, DENORMALS_KEY, DISABLE_OPTIMIZERS_KEY, DISABLE_QDQ_KEY, EXTERNAL_KEY,
               FOLDER_KEY, PREPACKING_KEY, SPINNING_KEY}
QDQ_PASSES = ("fuse-qdq", "fuse-quantized")

# Keys that ask for what Corten has no switch for, with what it always does; other values warn.
FIXED_KEYS = {
    "optimization.enable_gelu_approximation": "0",
    "session.load_model_format": "ONNX",
    "session.save_model_format": "ONNX",
}

# Keys that are accepted and change nothing: what they ask for is what Corten does in any case, or
# is about a device, file format or mechanism that it does not have.
INERT_KEYS = {
    "memory.enable_memory_arena_shrinkage",
    "optimization.enable_cast_chain_elimination",
    "optimization.minimal_build_optimizations",
    "session.allow_inter_op_spinning",
    "session.disable_cpu_ep_fallback",
    "session.dynamic_block_base",
    "session.enable_quant_qdq_cleanup",
    "session.force_spinning_stop",  # threads spin within a run only
    "session.inter_op.allow_spinning",
    "session.inter_op_thread_affinities",
    "session.optimized_model_external_initializers_min_size_in_bytes",
    "session.qdq_matmulnbits_accuracy_level",
    "session.record_ep_graph_assignment_info",
    "session.save_external_prepacked_constant_initializers",
    "session.strict_shape_type_inference",  # it always is
    "session.use_device_allocator_for_initializers",
    "session.use_env_allocators",  # there is one allocator
    "session.use_ort_model_bytes_directly",  # bytes are used where they lie
    "session.use_ort_model_bytes_for_initializers",
}
SHRINK_KEY = "memory.enable_memory_arena_shrinkage"
RUN_KEYS = {SHRINK_KEY, "disable_synchronize_execution_providers"}

default_severity = 2  # see set_default_logger_severity
default_seed = None  # see set_seed
global_threads = 0  # see set_global_thread_pool_sizes
_global_pool = None
_lock = threading.Lock()


def warn(text):
    """A warning of the package itself, where the library writes its own."""
    if default_severity <= 2:
        print(f"[W:corten] {text}", file=sys.stderr)


def global_pool():
    """The threads of sessions without threads of their own; made when first asked for."""
    global _global_pool
    with _lock:
        if _global_pool is None:
            _global_pool = ThreadPool(global_threads)
        return _global_pool


def set_global_threads(threads):
    """Sessions that are open keep the threads that they have."""
    global global_threads, _global_pool
    with _lock:
        global_threads, _global_pool = threads, None


class ThreadPool:
    """Corten's: threads that sessions share; see SessionOptions.thread_pool."""

    def __init__(self, threads=0, *, spinning=True, affinities=""):
        options = _corten.Options()
        options.set_threads(threads)
        options.set_spinning(spinning)
        options.set_affinities(affinities)
        self._pool = _corten.Pool(options)

    @property
    def threads(self):
        return self._pool.threads


class SharedWeights:
    """Corten's: packed weights that sessions share; see SessionOptions.shared_weights."""

    def __init__(self):
        self._weights = _corten.Weights()

    @property
    def size_bytes(self):
        return self._weights.size_bytes


def config_entry(key, value):
    if not isinstance(key, str) or not isinstance(value, str):
        raise TypeError("the key and value of a configuration entry are strings")
    return key, value


def _attribute(name, kind, documentation):
    """A property that holds `kind` (bool, int, str or an enumeration) and refuses all else."""
    slot = "_" + name

    def get(self):
        return getattr(self, slot)

    def put(self, value):
        if kind is str:
            if not isinstance(value, (str, os.PathLike)):
                raise TypeError(f"{name} is a string, not {type(value).__name__}")
            value = os.fspath(value)
        elif isinstance(value, str):
            raise TypeError(f"{name} is of type {kind.__name__}, not str")
        setattr(self, slot, kind(value))

    return property(get, put, doc=documentation)


class SessionOptions:
    """What a session is opened with. Attributes and methods are onnxruntime's; those that Corten
    adds are marked so."""

    def __init__(self):
        self._enable_cpu_mem_arena = True
        self._enable_mem_pattern = True
        self._enable_mem_reuse = True
        self._enable_profiling = False
        self._execution_mode = ExecutionMode.ORT_SEQUENTIAL
        self._execution_order = ExecutionOrder.DEFAULT
        self._graph_optimization_level = GraphOptimizationLevel.ORT_ENABLE_ALL
        self._inter_op_num_threads = 0
        self._intra_op_num_threads = 0
        self._log_severity_level = -1
        self._log_verbosity_level = 0
        self._logid = ""
        self._memory_limit_bytes = 0
        self._optimized_model_filepath = ""
        self._precision = Precision.F32
        self._profile_file_prefix = "corten_profile_"
        self._use_deterministic_compute = False
        self._use_per_session_threads = True
        self._config = {}
        self._dims, self._denotations = {}, {}
        self._initializers = {}
        self._files = {}
        self._disabled_passes, self._extra_outputs = [], []
        self._providers = []
        self.thread_pool = None  # Corten's: a ThreadPool
        self.shared_weights = None  # Corten's: a SharedWeights

    enable_cpu_mem_arena = _attribute("enable_cpu_mem_arena", bool, "Has no effect.")
    enable_mem_pattern = _attribute("enable_mem_pattern", bool, "Has no effect.")
    enable_mem_reuse = _attribute("enable_mem_reuse", bool, "Has no effect.")
    enable_profiling = _attribute("enable_profiling", bool, "Times every operator of every run.")
    execution_mode = _attribute("execution_mode", ExecutionMode, "Has no effect.")
    execution_order = _attribute("execution_order", ExecutionOrder, "Has no effect.")
    graph_optimization_level = _attribute("graph_optimization_level", GraphOptimizationLevel,
                                          "How far the graph is rewritten.")
    inter_op_num_threads = _attribute("inter_op_num_threads", int,
                                      "Has no effect: operators run one after the other.")
    intra_op_num_threads = _attribute("intra_op_num_threads", int,
                                      "Threads of a run; 0: as many as the processors allow.")
    log_severity_level = _attribute("log_severity_level", int,
                                    "0 verbose, 1 info, 2 warning, 3 error, 4 fatal, -1 default.")
    log_verbosity_level = _attribute("log_verbosity_level", int, "Has no effect.")
    logid = _attribute("logid", str, "Has no effect.")
    memory_limit_bytes = _attribute("memory_limit_bytes", int,
                                    "Corten's: most memory beyond the model file; 0: no limit.")
    optimized_model_filepath = _attribute("optimized_model_filepath", str,
                                          "Where to write the optimised model.")
    precision = _attribute("precision", Precision, "Corten's: what products compute with.")
    profile_file_prefix = _attribute("profile_file_prefix", str, "How the profile's path begins.")
    use_deterministic_compute = _attribute("use_deterministic_compute", bool,
                                           "Has no effect: results never depend on threads.")
    use_per_session_threads = _attribute(
        "use_per_session_threads", bool,
        "False: the threads of set_global_thread_pool_sizes, which sessions share.")

    def add_session_config_entry(self, key, value):
        key, value = config_entry(key, value)
        if key in FIXED_KEYS:
            if value != FIXED_KEYS[key]:
                warn(f"the session configuration {key!r} has no effect; what Corten does is "
                     f"{FIXED_KEYS[key]!r}")
        elif key not in ACTING_KEYS and key not in INERT_KEYS and not key.startswith("ep."):
            warn(f"the session configuration {key!r} is not known and has no effect")
        self._config[key] = value

    def get_session_config_entry(self, key):
        if key not in self._config:
            raise _errors.Fail(f"Cannot find session configuration entry {key!r}")
        return self._config[key]

    def add_free_dimension_override_by_name(self, name, value):
        self._dims[name] = int(value)

    def add_free_dimension_override_by_denotation(self, denotation, value):
        self._denotations[denotation] = int(value)

    def add_initializer(self, name, ort_value):
        """The value takes the place of the model's; it must not change while the session lives."""
        if getattr(ort_value, "_value", None) is None:
            raise TypeError("an initializer is an OrtValue")
        self._initializers[name] = ort_value

    def add_external_initializers(self, names, ort_values):
        if len(names) != len(ort_values):
            raise RuntimeError(f"{len(names)} names and {len(ort_values)} values are given")
        for name, value in zip(names, ort_values):
            self.add_initializer(name, value)

    def add_external_initializers_from_files_in_memory(self, names, buffers, lengths):
        """The content of files of external data. It is used where it lies."""
        if not len(names) == len(buffers) == len(lengths):
            raise RuntimeError("there must be as many names as buffers and lengths")
        for name, buffer, length in zip(names, buffers, lengths):
            self._files[name] = np.frombuffer(buffer, np.uint8, count=length)

    def register_custom_ops_library(self, path):
        raise _errors.NotImplemented(f"Libraries of custom operators are not supported: {path!r}")

    def add_provider(self, name, options=None):
        """Providers for sessions that are given none."""
        self._providers.append((name, dict(options or {})))

    def add_provider_for_devices(self, devices, options=None):
        raise _errors.NotImplemented("Give providers to InferenceSession")

    def has_providers(self):
        return bool(self._providers)

    def disable_pass(self, name):
        """Corten's: switches one rewrite of the optimiser off."""
        self._disabled_passes.append(name)

    def add_output(self, name):
        """Corten's: makes a value in the middle of the optimised model one more output."""
        self._extra_outputs.append(name)

    def _severity(self):
        return default_severity if self._log_severity_level < 0 else self._log_severity_level

    def _build(self, for_session=True):
        """The Options object that these options stand for."""
        options = _corten.Options()
        options.set_threads(self._intra_op_num_threads)
        options.set_level(self._graph_optimization_level)
        options.set_log(min(self._severity(), 4))
        for name, value in self._dims.items():
            options.set_dim(name, value)
        for denotation, value in self._denotations.items():
            options.set_denotation(denotation, value)
        if not for_session:
            return options
        for name in self._disabled_passes:
            options.disable_pass(name)
        for name in self._extra_outputs:
            options.add_output(name)
        for name, value in self._initializers.items():
            options.set_initializer(name, value)
        for location, content in self._files.items():
            options.add_external_file(location, _corten.make_value(content, 0, 0))
        self._build_threads(options)
        if self.shared_weights is not None:
            options.set_weights(self.shared_weights._weights)
        if default_seed is not None:
            options.set_seed(default_seed)
        if self._config.get(PREPACKING_KEY) == "1":
            options.set_packing(False)
        if self._precision:
            options.set_precision(self._precision)
        if self._memory_limit_bytes:
            options.set_memory_limit(self._memory_limit_bytes)
        if self._optimized_model_filepath:
            self._build_optimized(options)
        if self._enable_profiling:
            options.set_profile(self._profile_file_prefix)
        for name in self._config.get(DISABLE_OPTIMIZERS_KEY, "").split(";"):
            disable_optimizer(options, name)
        if self._config.get(DISABLE_QDQ_KEY) == "1":
            for name in QDQ_PASSES:
                options.disable_pass(name)
        return options

    def _build_threads(self, options):
        options.set_flush_denormals(self._config.get(DENORMALS_KEY) == "1")
        pool = self.thread_pool
        if pool is None and not self._use_per_session_threads:
            pool = global_pool()
        if pool is not None:
            options.set_pool(pool._pool)
            return
        options.set_spinning(self._config.get(SPINNING_KEY, "1") == "1")
        options.set_affinities(self._config.get(AFFINITIES_KEY, ""))

    def _build_optimized(self, options):
        path, external = self._optimized_model_filepath, self._config.get(EXTERNAL_KEY)
        if external and external != os.path.basename(path) + ".data":
            warn(f"external data is written to {os.path.basename(path) + '.data'!r}, not to "
                 f"{external!r}")
        options.set_optimized_path(path, bool(external))


def disable_optimizer(options, name):
    """Switches a rewrite off that may be one of onnxruntime's names, which Corten has not."""
    if not name:
        return
    try:
        options.disable_pass(name)
    except _errors.InvalidArgument:
        warn(f"there is no optimizer {name!r} to disable")


class RunOptions(_corten.RunLimits):
    """What a run is given."""

    def __init__(self):
        super().__init__()
        self._terminate = False
        self._deadline_seconds = 0.0
        self._config = {}
        self._log_severity_level = -1
        self._log_verbosity_level = 0
        self._logid = ""
        self._only_execute_path_to_fetches = False
        self._shrinks = False

    log_severity_level = _attribute("log_severity_level", int, "Has no effect.")
    log_verbosity_level = _attribute("log_verbosity_level", int, "Has no effect.")
    logid = _attribute("logid", str, "Has no effect.")
    tag = _attribute("logid", str, "Another name of logid.")
    only_execute_path_to_fetches = _attribute("only_execute_path_to_fetches", bool,
                                              "Has no effect.")

    @property
    def terminate(self):
        """Set from any thread, stops the runs that use these options, and those to come until it
        is set to False."""
        return self._terminate

    @terminate.setter
    def terminate(self, value):
        self._terminate = bool(value)
        if self._terminate:
            self._cancel()
        else:
            self._reset()

    @property
    def deadline_seconds(self):
        """Corten's: a run ends this long after it began with DeadlineExceeded; 0: never."""
        return self._deadline_seconds

    @deadline_seconds.setter
    def deadline_seconds(self, value):
        self._set_deadline(int(float(value) * 1e9))
        self._deadline_seconds = float(value)

    def add_run_config_entry(self, key, value):
        key, value = config_entry(key, value)
        if key not in RUN_KEYS:
            warn(f"the run configuration {key!r} is not known and has no effect")
        self._config[key] = value
        self._shrinks = self._config.get(SHRINK_KEY, "") not in ("", "0")

    def get_run_config_entry(self, key):
        if key not in self._config:
            raise _errors.Fail(f"Cannot find run configuration entry {key!r}")
        return self._config[key]

    def add_active_adapter(self, adapter):
        raise _errors.NotImplemented("Adapters are not supported")
