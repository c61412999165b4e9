"""Operators of the onnx package's reference that it gets wrong, written again after the specification."""
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


class Optional(OpRun):
    """The element itself: the package's own makes a list of it."""

    def _run(self, x=None, type=None):  # pylint: disable=redefined-builtin
        del type
        return (x,)


CORRECTED = [LRN, Optional]
