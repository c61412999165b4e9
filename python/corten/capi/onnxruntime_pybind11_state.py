"""The exceptions and types where onnxruntime has them."""
from .. import (  # noqa: F401
    ExecutionMode, ExecutionOrder, GraphOptimizationLevel, ModelMetadata, NodeArg, RunOptions,
    SessionOptions, get_available_providers, get_device)
from .._errors import *  # noqa: F401,F403
