"""Operators that the onnx package's reference lacks or gets wrong, written again after the specification."""
import numpy as np
from onnx.reference.op_run import OpRun


class LRN(OpRun):
    """Squares of the channels around each, beyond the edges none."""

    def _run(self, x, alpha=None, beta=None, bias=None, size=None):
        squares, total = np.square(x, dtype=np.float64), np.zeros(x.shape)
        before = (size - 1) // 2
        for c in range(x.shape[1]):
            total[:, c] = squares[:, max(0, c - before):c - before + size].sum(axis=1)
        return ((x / (bias + alpha / size * total) ** beta).astype(x.dtype),)


class GlobalLpPool(OpRun):
    """The package has none."""

    def _run(self, x, p=None):
        p = 2 if p is None else p
        total = (np.abs(x).astype(np.float64) ** p).sum(axis=tuple(range(2, x.ndim)), keepdims=True)
        return ((total ** (1 / p)).astype(x.dtype),)


class Optional(OpRun):
    """The element itself: the package's own makes a list of it."""

    def _run(self, x=None, type=None):  # pylint: disable=redefined-builtin
        del type
        return (x,)


CORRECTED = [GlobalLpPool, LRN, Optional]
