"""The exceptions and types where onnxruntime has them."""
from .. import *  # noqa: F401,F403
from .._errors import *  # noqa: F401,F403
