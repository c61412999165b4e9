"""Corten: run ONNX models. The names are those of onnxruntime's Python package."""
from numpy import asarray as _asarray

from . import _arrays, _corten, _errors

_corten.setup(_asarray, _arrays.CODES, _errors.BY_STATUS, _arrays)

# pylint: disable=wrong-import-position
from . import _options  # noqa: E402
from ._errors import Cancelled, DeadlineExceeded, Error, LimitExceeded, OutOfMemory  # noqa: E402
from ._options import (  # noqa: E402
    ExecutionMode, ExecutionOrder, GraphOptimizationLevel, OrtAllocatorType, OrtArenaCfg,
    OrtMemoryInfo, OrtMemType, Precision, RunOptions, SessionOptions, SharedWeights, ThreadPool,
    create_and_register_allocator)
from ._session import (  # noqa: E402
    PROVIDERS as _PROVIDERS, InferenceSession, IOBinding, ModelMetadata, NodeArg)
from ._sparse import OrtSparseFormat, SparseTensor  # noqa: E402
from ._value import OrtDevice, OrtValue, OrtValueVector, copy_tensors  # noqa: E402

__version__ = _corten.version()

__all__ = [
    "Cancelled", "DeadlineExceeded", "Error", "ExecutionMode", "ExecutionOrder",
    "GraphOptimizationLevel", "IOBinding", "InferenceSession", "LimitExceeded", "ModelMetadata",
    "NodeArg", "OrtAllocatorType", "OrtArenaCfg", "OrtDevice", "OrtMemType", "OrtMemoryInfo",
    "OrtSparseFormat", "OrtValue", "OrtValueVector", "OutOfMemory", "Precision", "RunOptions",
    "SessionIOBinding", "SessionOptions", "SharedWeights", "SparseTensor", "ThreadPool",
    "copy_tensors", "create_and_register_allocator", "disable_telemetry_events",
    "enable_telemetry_events", "get_all_providers", "get_available_providers", "get_build_info",
    "get_device", "get_version_string", "set_default_logger_severity",
    "set_default_logger_verbosity", "set_global_thread_pool_sizes", "set_seed",
]

SessionIOBinding = IOBinding  # what onnxruntime has beneath its IOBinding


def get_available_providers():
    return list(_PROVIDERS)


def get_all_providers():
    return list(_PROVIDERS)


def get_device():
    return "CPU"


def get_version_string():
    return __version__


def get_build_info():
    return f"Corten {__version__}"


def set_default_logger_severity(severity):
    """0 verbose, 1 info, 2 warning (what it is at first), 3 error, 4 fatal; for sessions that are
    opened from now on and do not say themselves."""
    if severity not in range(5):
        raise _errors.Fail(f"Invalid logging severity {severity}, expected 0 to 4")
    _options.default_severity = severity


def set_default_logger_verbosity(verbosity):
    """Has no effect: there is one level of verbose messages."""


def set_seed(seed):
    """Makes random operators that have no seed of their own repeat in sessions opened from now on."""
    _options.default_seed = int(seed) & 0xFFFFFFFFFFFFFFFF


def set_global_thread_pool_sizes(intra_op_num_threads=0, inter_op_num_threads=0):
    """Threads that sessions opened from now on share whose use_per_session_threads is False."""
    _options.set_global_threads(int(intra_op_num_threads))


def disable_telemetry_events():
    """There are none."""


def enable_telemetry_events():
    """There are none."""
