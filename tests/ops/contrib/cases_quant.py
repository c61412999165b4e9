"""Operators on quantised tensors."""

import numpy as np
from onnx import TensorProto, helper


def pack4(values, dtype, name="x"):
    return helper.make_tensor(name, dtype, values.shape, values.ravel().tolist())


def nbits(c):
    for bits, block, k, n in ((4, 32, 64, 24), (4, 16, 40, 7), (4, 128, 130, 33), (8, 32, 70, 9),
                              (4, 32, 96, 300), (8, 64, 64, 5)):
        blocks = -(-k // block)
        b = c.ints(0, 255, n, blocks, block * bits // 8, dtype=np.uint8)
        scales = c.floats(n * blocks, scale=0.1)
        zeros = c.ints(0, 255, n * ((blocks * bits + 7) // 8), dtype=np.uint8)
        attrs = {"K": k, "N": n, "bits": bits, "block_size": block}
        for rows in ((1,), (3,), (2, 9)):
            a = c.floats(*rows, k)
            c.add("nbits", "MatMulNBits", [a, b, scales], attrs, constants=(1, 2))
            c.add("nbits_zeros", "MatMulNBits", [a, b, scales, zeros], attrs, constants=(1, 2, 3))
            if bits == 4:
                c.add("nbits_float_zeros", "MatMulNBits",
                      [a, b, scales, c.floats(n * blocks, scale=3) + 8], attrs, constants=(1, 2, 3))
            c.add("nbits_bias", "MatMulNBits", [a, b, scales, zeros, None, c.floats(n)], attrs,
                  constants=(1, 2, 3, 5))
            c.add("nbits_f16", "MatMulNBits",
                  [a.astype(np.float16), b, scales.astype(np.float16), zeros], attrs,
                  constants=(1, 2, 3), tol=(2e-2, 2e-2))


def gather_blocks(c):
    for bits in (4, 8):
        data = c.ints(0, 255, 10, 2, 48 * bits // 8, dtype=np.uint8)
        scales = c.floats(10, 2, 3)
        zeros = c.ints(0, 255, 10, 2, (3 * bits + 7) // 8, dtype=np.uint8)
        attrs = {"bits": bits, "block_size": 16, "quantize_axis": 2, "gather_axis": 0}
        for indices in (np.array([[1, 9], [0, -1]], np.int64), np.array([3], np.int32)):
            c.add("gather_blocks", "GatherBlockQuantized", [data, indices, scales], attrs,
                  constants=(0, 2))
            c.add("gather_blocks_zeros", "GatherBlockQuantized", [data, indices, scales, zeros],
                  attrs, constants=(0, 2, 3))
    for dtype, low, high in ((TensorProto.UINT4, 0, 15), (TensorProto.INT4, -8, 7)):
        data = pack4(c.ints(low, high, 5, 32, 6), dtype)
        zeros = pack4(c.ints(low, high, 5, 2, 6), dtype)
        scales = c.floats(5, 2, 6)
        for gather in (0, 1, 2):
            indices = c.ints(0, 4, 2, 2, dtype=np.int64)
            c.add("gather_blocks4", "GatherBlockQuantized", [data, indices, scales, zeros],
                  {"block_size": 16, "quantize_axis": 1, "gather_axis": gather},
                  constants=(0, 2, 3))


GROUPS = [nbits, gather_blocks]
