"""The exceptions, named as onnxruntime's are. All derive from Error, which is Corten's own."""


class Error(Exception):
    """What every exception of Corten's derives from; the text is the library's."""


class Fail(Error):
    """Anything else that went wrong, such as reading a file."""


class InvalidArgument(Error):
    """An input, output, option or value is not what it must be."""


class NoSuchFile(Error):
    """The model's file or its external data is not there."""


class NoModel(Error):
    """No model is loaded."""


class EngineError(Error):
    """An execution provider failed."""


class RuntimeException(Error):
    """An operator failed on its data, or the library made a mistake."""


class InvalidProtobuf(Error):
    """The bytes are not a model."""


class ModelLoaded(Error):
    """A model is loaded already."""


class NotImplemented(Error):  # pylint: disable=redefined-builtin
    """The model, or the call, needs something that Corten does not have."""


class InvalidGraph(Error):
    """The model breaks a rule of ONNX."""


class EPFail(Error):
    """An execution provider failed."""


class InvalidModel(InvalidGraph, InvalidProtobuf, InvalidArgument, Fail):
    """What is raised for a model that cannot be used: caught as any of its bases, between which
    onnxruntime chooses."""


class OutOfMemory(RuntimeException, MemoryError):
    """There is not enough memory."""


class LimitExceeded(RuntimeException, MemoryError):
    """SessionOptions.memory_limit_bytes would be passed."""


class Cancelled(Fail):
    """The run was stopped by RunOptions.terminate."""


class DeadlineExceeded(Fail, TimeoutError):
    """The run did not end within RunOptions.deadline_seconds."""


# corten_status of the C API.
BY_STATUS = {
    1: InvalidArgument,
    2: NoSuchFile,
    3: Fail,
    4: InvalidModel,
    5: NotImplemented,
    6: OutOfMemory,
    7: LimitExceeded,
    8: RuntimeException,
    9: Cancelled,
    10: DeadlineExceeded,
    11: RuntimeException,
}
