"""InferenceSession and what it hands out."""
import os
import threading

from . import _arrays, _corten, _errors, _options
from ._value import OrtValue, OrtValueVector, only_cpu

PROVIDERS = ["CPUExecutionProvider"]

_pool = None
_pool_lock = threading.Lock()


def _executor():
    """Threads that start the runs of run_async."""
    global _pool
    with _pool_lock:
        if _pool is None:
            from concurrent.futures import ThreadPoolExecutor
            _pool = ThreadPoolExecutor(max_workers=min(32, (os.cpu_count() or 1) + 4),
                                       thread_name_prefix="corten")
        return _pool


def _drop_executor():
    """In a process that forked, the threads are not there."""
    global _pool, _pool_lock
    _pool, _pool_lock = None, threading.Lock()


os.register_at_fork(after_in_child=_drop_executor)


class NodeArg:
    """Name, type and shape of an input or output. A dimension is a number, a symbol or None."""

    __slots__ = ("name", "type", "shape")

    def __init__(self, name, type_text, shape):
        self.name, self.type, self.shape = name, type_text, shape if shape is not None else []

    def __repr__(self):
        return f"NodeArg(name={self.name!r}, type={self.type!r}, shape={self.shape!r})"

    __str__ = __repr__


class ModelMetadata:
    """What a model says of itself."""

    __slots__ = ("producer_name", "graph_name", "domain", "description", "graph_description",
                 "version", "custom_metadata_map")

    def __init__(self, info):
        self.producer_name = info["producer_name"]
        self.graph_name = info["graph_name"]
        self.domain = info["domain"]
        self.description = info["description"]
        self.graph_description = info.get("graph_description", "")
        self.version = info["version"]
        self.custom_metadata_map = info["custom_metadata_map"]


def _provider_args(providers, provider_options):
    """Checks what onnxruntime takes as providers; the names and options of those that are here."""
    if providers is None:
        return list(PROVIDERS), {}
    if isinstance(providers, (str, bytes)) or not hasattr(providers, "__iter__"):
        raise ValueError("'providers' should be a sequence.")
    named = {}
    if provider_options is not None:
        if len(providers) != len(provider_options):
            raise ValueError(
                "'providers' and 'provider_options' should be the same length if both are given.")
        if not all(isinstance(provider, str) for provider in providers):
            raise ValueError("Only string values for 'providers' are supported if "
                             "'provider_options' is given.")
        if not all(isinstance(options, dict) for options in provider_options):
            raise ValueError("'provider_options' values must be dicts.")
        named = dict(zip(providers, provider_options))
    else:
        for provider in providers:
            if isinstance(provider, str):
                named[provider] = {}
            elif (isinstance(provider, tuple) and len(provider) == 2 and
                  isinstance(provider[0], str) and isinstance(provider[1], dict)):
                named[provider[0]] = provider[1]
            else:
                raise ValueError(
                    "'providers' values must be either strings or (string, dict) tuples.")
    for name in named:
        if name not in PROVIDERS:
            _options.warn(f"there is no provider {name!r}; there are {PROVIDERS}")
    here = {name: options for name, options in named.items() if name in PROVIDERS}
    return list(PROVIDERS), here


class InferenceSession:
    """A model, ready to run. May be run by any number of threads at once."""

    def __init__(self, path_or_bytes, sess_options=None, providers=None, provider_options=None,
                 **kwargs):
        if isinstance(path_or_bytes, (str, os.PathLike)):
            self._path, self._bytes = os.fspath(path_or_bytes), None
        elif isinstance(path_or_bytes, (bytes, bytearray, memoryview)):
            self._path, self._bytes = None, bytes(path_or_bytes)
        else:
            raise TypeError(f"Unable to load from type '{type(path_or_bytes)}'")
        if sess_options is not None and not isinstance(sess_options, _options.SessionOptions):
            raise TypeError(f"sess_options is of type {type(sess_options)}")
        self._sess_options = sess_options if sess_options else _options.SessionOptions()
        if providers is None:
            providers = self._sess_options._providers or None
        self._providers, self._provider_options = _provider_args(providers, provider_options)
        options = self._sess_options._build()
        for name in kwargs.get("disabled_optimizers") or ():
            _options.disable_optimizer(options, name)
        folder = self._sess_options._config.get(_options.FOLDER_KEY)
        self._session = _corten.Session(None if self._path is None else os.fsencode(self._path),
                                        self._bytes, folder, options)
        self._run = self._session.run
        inputs = self._session.inputs
        self._inputs_meta = [NodeArg(*info[:3]) for info in inputs if not info[3]]
        self._overridable_initializers = [NodeArg(*info[:3]) for info in inputs if info[3]]
        self._outputs_meta = [NodeArg(*info[:3]) for info in self._session.outputs]
        self._info = None

    # ------------------------------------------------------------------ looking

    def get_inputs(self):
        return self._inputs_meta

    def get_outputs(self):
        return self._outputs_meta

    def get_overridable_initializers(self):
        """Inputs that have a value in the model, which a run may replace."""
        return self._overridable_initializers

    def get_modelmeta(self):
        return ModelMetadata(self._model_info())

    def _model_info(self):
        if self._info is None:
            options = self._sess_options._build(for_session=False)
            if self._path is not None:
                self._info = _corten.model_info(os.fsencode(self._path), options)
            else:
                file = os.memfd_create("model.onnx")
                try:
                    with open(file, "wb", closefd=False) as stream:
                        stream.write(self._bytes)
                    self._info = _corten.model_info(f"/proc/self/fd/{file}".encode(), options)
                finally:
                    os.close(file)
        return self._info

    def get_session_options(self):
        return self._sess_options

    def get_providers(self):
        return list(self._providers)

    def get_provider_options(self):
        return {name: dict(self._provider_options.get(name, {})) for name in self._providers}

    def set_providers(self, providers=None, provider_options=None):
        self._providers, self._provider_options = _provider_args(providers, provider_options)

    def disable_fallback(self):
        """Has no effect: there is one provider."""

    def enable_fallback(self):
        """Has no effect: there is one provider."""

    # ------------------------------------------------------------------ running

    def run(self, output_names, input_feed, run_options=None):
        """Runs the model; the results of `output_names` (None or empty: all) in a list.

        Arrays are handed over without a copy where they are contiguous, and own the memory that
        the run made. A sequence is a list, a map a dict, an empty optional None."""
        results = self._run(output_names, input_feed, run_options)
        if run_options is not None and run_options._shrinks:
            self.trim()
        return results

    def run_async(self, output_names, input_feed, callback, user_data, run_options=None):
        """Starts a run and returns; callback(results, user_data, error text) is called from
        another thread, with results None when the text is not empty."""
        def work():
            try:
                results, text = self.run(output_names, input_feed, run_options), ""
            except Exception as error:  # pylint: disable=broad-except
                results, text = None, f"{type(error).__name__}: {error}"
            callback(results, user_data, text)
        _executor().submit(work)

    def run_with_ort_values(self, output_names, input_dict_ort_values, run_options=None):
        """The same from and to OrtValues."""
        return [OrtValue(value) for value in
                self._session.run_values(output_names, input_dict_ort_values, run_options)]

    def io_binding(self):
        return IOBinding(self)

    def run_with_iobinding(self, iobinding, run_options=None):
        if iobinding._owner is not self:
            raise ValueError("IOBinding must be used with the session that created it.")
        iobinding._binding.run(run_options)

    def run_with_ortvaluevector(self, run_options, feed_names, feeds, fetch_names, fetches,
                                fetch_devices):
        """From a vector of OrtValues to another, which is filled; values that it holds already are
        written into."""
        binding = _corten.Binding(self._session)
        for name, value in zip(feed_names, feeds):
            binding.bind_input(name, value._value)
        given = list(fetches) or [None] * len(fetch_names)
        for name, value in zip(fetch_names, given):
            binding.bind_output(name, None if value is None else value._value)
        binding.run(run_options)
        fetches[:] = [OrtValue(value) if old is None else old
                      for value, old in zip(binding.outputs(), given)]

    def create_ortvalue_from_shape_and_type(self, shape, element_type, device_type="cpu",
                                            device_id=0, vendor_id=-1):
        return OrtValue.ortvalue_from_shape_and_type(shape, element_type, device_type, device_id)

    # ------------------------------------------------------------------ profile, times and memory

    def end_profiling(self):
        """Writes the profile and returns its path."""
        if not self._sess_options.enable_profiling:
            raise _errors.InvalidArgument(
                "the session was opened without SessionOptions.enable_profiling")
        return self._session.end_profile()

    def get_profiling_start_time_ns(self):
        return self._session.profile_start_ns

    def profile(self):
        """Corten's: the profile up to now as text, in the form of end_profiling's file."""
        return self._session.profile()

    def memory(self):
        """Corten's: what the session holds, in bytes, as a dict."""
        return self._session.memory()

    def times(self):
        """Corten's: where the time before runs went, in nanoseconds, as a dict."""
        return self._session.times()

    def trim(self):
        """Corten's: gives memory back that no run is using; the bytes given back."""
        return self._session.trim()

    @property
    def threads(self):
        """Corten's: threads that a run uses."""
        return self._session.threads

    # ------------------------------------------------------------------ what is not here

    def get_tuning_results(self):
        return []

    def set_tuning_results(self, results, *, error_on_invalid=False):
        if results:
            raise _errors.NotImplemented("There is no provider that is tuned")

    def set_ep_dynamic_options(self, options):
        raise _errors.NotImplemented("The provider has no dynamic options")


class IOBinding:
    """Inputs and outputs of runs in memory that stays the same. Used by one thread at a time."""

    def __init__(self, session):
        self._owner = session
        self._binding = _corten.Binding(session._session)

    def bind_cpu_input(self, name, arr_on_cpu):
        """The array is used where it lies, if its layout allows."""
        self._binding.bind_input(name, arr_on_cpu)

    def bind_input(self, name, device_type, device_id, element_type, shape, buffer_ptr):
        """Memory at an address, which the caller keeps alive."""
        only_cpu(device_type, device_id)
        self._binding.bind_input(name, _at(element_type, shape, buffer_ptr))

    def bind_ortvalue_input(self, name, ortvalue):
        self._binding.bind_input(name, ortvalue._value)

    def bind_output(self, name, device_type="cpu", device_id=0, element_type=None, shape=None,
                    buffer_ptr=None):
        """Memory at an address, or without one memory that the session makes and uses again."""
        only_cpu(device_type, device_id)
        if buffer_ptr is None:
            self._binding.bind_output(name, None)
            return
        if element_type is None or shape is None:
            raise ValueError("`element_type` and `shape` are to be provided if pre-allocated "
                             "memory is provided")
        self._binding.bind_output(name, _at(element_type, shape, buffer_ptr))

    def bind_ortvalue_output(self, name, ortvalue):
        self._binding.bind_output(name, ortvalue._value)

    def synchronize_inputs(self):
        """There is nothing to wait for."""

    def synchronize_outputs(self):
        """There is nothing to wait for."""

    def get_outputs(self):
        """The outputs of the last run, in the order in which they were bound. A value that the
        session made is handed over: the next run makes another."""
        return [OrtValue(value) for value in self._binding.outputs()]

    def get_outputs_as_ortvaluevector(self):
        return OrtValueVector(self.get_outputs())

    def copy_outputs_to_cpu(self):
        """Copies of the outputs as arrays; the next run uses the outputs' memory again."""
        return self._binding.copy_outputs()

    def clear_binding_inputs(self):
        self._binding.clear_inputs()

    def clear_binding_outputs(self):
        self._binding.clear_outputs()


def _at(element_type, shape, pointer):
    return _corten.wrap_pointer(_arrays.element_code(element_type), tuple(shape), int(pointer),
                                None)
