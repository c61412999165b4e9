"""The classes where onnxruntime has them."""
from .. import InferenceSession, IOBinding, OrtDevice, OrtValue, SparseTensor  # noqa: F401
