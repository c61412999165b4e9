"""SparseTensor: values and where they are."""
import enum

import numpy as np


class OrtSparseFormat(enum.IntEnum):
    ORT_SPARSE_UNDEFINED = 0
    ORT_SPARSE_COO = 1
    ORT_SPARSE_CSRC = 2
    ORT_SPARSE_BLOCK_SPARSE = 4


class _CooView:
    def __init__(self, indices):
        self._indices = indices

    def indices(self):
        return self._indices


class _CsrView:
    def __init__(self, inner, outer):
        self._inner, self._outer = inner, outer

    def inner(self):
        return self._inner

    def outer(self):
        return self._outer


class SparseTensor:
    """A sparse tensor. What runs return is in coordinate form."""

    def __init__(self, values, indices, shape, outer=None):
        self._values, self._indices = np.asarray(values), np.asarray(indices)
        self._shape, self._outer = [int(n) for n in shape], outer

    @classmethod
    def sparse_coo_from_numpy(cls, dense_shape, values, coo_indices, ort_device=None):
        """Positions in the flattened tensor, or [n, rank] coordinates."""
        indices = np.ascontiguousarray(coo_indices, np.int64)
        return cls(values, indices, dense_shape)

    @classmethod
    def sparse_csr_from_numpy(cls, dense_shape, values, inner_indices, outer_indices,
                              ort_device=None):
        """Columns of the values, and where each row begins and the last ends."""
        outer = np.ascontiguousarray(outer_indices, np.int64)
        if len(dense_shape) != 2 or len(outer) != dense_shape[0] + 1:
            raise ValueError("a matrix in this form has one outer index more than rows")
        return cls(values, np.ascontiguousarray(inner_indices, np.int64), dense_shape, outer)

    def values(self):
        return self._values

    def indices(self):
        """Corten's: positions in the flattened tensor, or [n, rank] coordinates."""
        if self._outer is None:
            return self._indices
        rows = np.repeat(np.arange(self._shape[0]), np.diff(self._outer))
        return rows * self._shape[1] + self._indices

    def as_coo_view(self):
        if self._outer is not None:
            raise RuntimeError("the sparse tensor is not in coordinate form")
        return _CooView(self._indices)

    def as_csrc_view(self):
        if self._outer is None:
            raise RuntimeError("the sparse tensor is not in the form of rows")
        return _CsrView(self._indices, self._outer)

    def as_blocksparse_view(self):
        raise RuntimeError("the sparse tensor has no blocks")

    def dense_shape(self):
        return np.asarray(self._shape, np.int64)

    def format(self):
        return (OrtSparseFormat.ORT_SPARSE_COO if self._outer is None else
                OrtSparseFormat.ORT_SPARSE_CSRC)

    def data_type(self):
        from ._arrays import NAMES, code_of
        return f"sparse_tensor({NAMES[code_of(self._values.dtype)][1]})"

    def device_name(self):
        return "cpu"

    def to_dense(self):
        """Corten's: all elements as an array."""
        dense = np.zeros(self._shape, self._values.dtype)
        indices = self.indices()
        if indices.ndim == 2:
            dense[tuple(indices.T)] = self._values
        else:
            dense.reshape(-1)[indices] = self._values
        return dense
