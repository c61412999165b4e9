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


BYTES = ((np.uint8, 0, 255), (np.int8, -128, 127))


def scale_of(c):
    return np.float32(c.rng.uniform(0.01, 0.05))


def qlinear(c):
    for dtype, low, high in BYTES:
        def q(*shape):
            return c.ints(low, high, *shape, dtype=dtype)

        for a, b in (((3, 40), (3, 40)), ((2, 3, 4), (3, 1)), ((5,), (1,)), ((1,), (2, 5))):
            for op in ("QLinearAdd", "QLinearMul"):
                c.add(op.lower(), op, [q(*a), scale_of(c), q(), q(*b), scale_of(c), q(),
                                       np.float32(0.1), q()])
            c.add("qlinear_add_no_zeros", "QLinearAdd",
                  [q(*a), scale_of(c), q(), q(*b), scale_of(c), q(), np.float32(0.07)])
            c.add("qlinear_where", "QLinearWhere",
                  [c.ints(0, 1, *a).astype(bool), q(*a), scale_of(c), q(), q(*b), scale_of(c), q(),
                   scale_of(c), q()])
        whole = np.arange(low, high + 1).astype(dtype)
        for _ in range(4):
            # ONNX Runtime wants the parameters to be constants.
            c.add("qlinear_sigmoid", "QLinearSigmoid",
                  [whole, scale_of(c), q(), np.float32(1 / 256), np.array(low, dtype)],
                  constants=(1, 2, 3, 4))
            c.add("qlinear_leaky", "QLinearLeakyRelu", [whole, scale_of(c), q(), scale_of(c), q()],
                  {"alpha": 0.1}, constants=(1, 2, 3, 4))
        for axis in (0, 1, -1):
            parts = [q(*[5 if i == axis % 3 and n else 3 for i in range(3)]) for n in range(3)]
            inputs = [scale_of(c), q()]
            for part in parts:
                inputs += [part, scale_of(c), q()]
            c.add("qlinear_concat", "QLinearConcat", inputs, {"axis": axis})


def products(c):
    for a_type, a_low, a_high in BYTES:
        for b_type, b_low, b_high in BYTES:
            if a_type == np.int8 and b_type == np.uint8:
                continue
            for m, k, n in ((3, 20, 7), (1, 64, 33), (17, 5, 40)):
                a = c.ints(a_low, a_high, m, k, dtype=a_type)
                b = c.ints(b_low, b_high, k, n, dtype=b_type)
                az, bz = c.ints(a_low, a_high, dtype=a_type), c.ints(b_low, b_high, dtype=b_type)
                bzs = c.ints(b_low, b_high, n, dtype=b_type)
                scales = np.abs(c.floats(n)) + np.float32(0.01)
                bias = c.floats(n)
                for constants in ((), (1, 3, 5)):
                    c.add("integer_to_float", "MatMulIntegerToFloat",
                          [a, b, scale_of(c), scale_of(c), az, bz, bias], constants=constants)
                    c.add("integer_to_float_columns", "MatMulIntegerToFloat",
                          [a, b, scale_of(c), scales, None, bzs], constants=constants)
                batch = c.ints(a_low, a_high, 2, 3, m, k, dtype=a_type)
                c.add("integer_to_float_batch", "MatMulIntegerToFloat",
                      [batch, b, scale_of(c), scale_of(c), az])
                sums = c.ints(-1000, 1000, n)
                for trans_a in (0, 1):
                    x = np.ascontiguousarray(a.T) if trans_a else a
                    w = np.ascontiguousarray(b.T) if trans_a else b
                    attrs = {"transA": trans_a, "transB": trans_a, "alpha": 1.5}
                    c.add("qgemm", "QGemm", [x, scale_of(c), az, w, scale_of(c), bz, sums], attrs,
                          constants=(3, 4, 5))
                    c.add("qgemm_bytes", "QGemm",
                          [x, scale_of(c), az, w, scale_of(c), bz, sums, np.float32(3.1), az],
                          attrs)
                    c.add("qgemm_columns", "QGemm",
                          [x, scale_of(c), az, w, scales, bzs, None, np.float32(80.0), az], attrs)
    for b_type, b_low, b_high in BYTES:
        for shape in ((3, 20), (2, 3, 20)):
            a, b = c.floats(*shape), c.ints(b_low, b_high, 20, 9, dtype=b_type)
            bz, bzs = c.ints(b_low, b_high, dtype=b_type), c.ints(b_low, b_high, 9, dtype=b_type)
            c.add("dynamic_matmul", "DynamicQuantizeMatMul", [a, b, scale_of(c), bz, c.floats(9)],
                  constants=(1, 2, 3))
            c.add("dynamic_matmul_columns", "DynamicQuantizeMatMul",
                  [a, b, np.abs(c.floats(9)), bzs])
            c.add("dynamic_matmul_plain", "DynamicQuantizeMatMul", [a, b, scale_of(c)])


def linear(c):
    for dtype, low, high in (*BYTES, (np.int16, -32768, 32767), (np.uint16, 0, 65535)):
        x = c.floats(3, 4, 5, scale=3)
        zero, zeros = c.ints(low, high, dtype=dtype), c.ints(low, high, 4, dtype=dtype)
        scales = np.abs(c.floats(4)) + np.float32(0.01)
        c.add("quantize", "QuantizeLinear", [x, scale_of(c), zero])
        c.add("quantize_axis", "QuantizeLinear", [x, scales, zeros], {"axis": 1})
        q = c.ints(low, high, 3, 4, 5, dtype=dtype)
        c.add("dequantize", "DequantizeLinear", [q, scale_of(c), zero])
        c.add("dequantize_axis", "DequantizeLinear", [q, scales, zeros], {"axis": 1})


def lstm(c):
    seq, batch, inputs, hidden = 4, 2, 6, 5
    for w_type, low, high in BYTES:
        for direction in ("forward", "reverse", "bidirectional"):
            d = 2 if direction == "bidirectional" else 1
            x = c.floats(seq, batch, inputs)
            w = c.ints(low, high, d, inputs, 4 * hidden, dtype=w_type)
            r = c.ints(low, high, d, hidden, 4 * hidden, dtype=w_type)
            bias, h, cells = c.floats(d, 8 * hidden), c.floats(d, batch, hidden), \
                c.floats(d, batch, hidden)
            scales = [np.abs(c.floats(d)) * np.float32(0.01) for _ in range(2)]
            zeros = [np.full(d, (low + high + 1) // 2, w_type) for _ in range(2)]
            end = [scales[0], zeros[0], scales[1], zeros[1]]
            attrs = {"hidden_size": hidden, "direction": direction}
            c.add("lstm", "DynamicQuantizeLSTM", [x, w, r, bias, None, h, cells, None, *end], attrs,
                  n_out=3, constants=(1, 2, 8, 9, 10, 11))
            c.add("lstm_plain", "DynamicQuantizeLSTM", [x, w, r, *[None] * 5, *end],
                  {**attrs, "clip": 2.0}, n_out=3)
            lengths = np.array([seq, seq - 1], np.int32)
            c.add("lstm_lengths", "DynamicQuantizeLSTM",
                  [x, w, r, bias, lengths, h, cells, c.floats(d, 3 * hidden), *end], attrs,
                  n_out=3)
            columns = [np.abs(c.floats(d, 4 * hidden)) * np.float32(0.01) for _ in range(2)]
            zeros = [np.full((d, 4 * hidden), (low + high + 1) // 2, w_type) for _ in range(2)]
            c.add("lstm_columns", "DynamicQuantizeLSTM",
                  [x, w, r, bias, *[None] * 4, columns[0], zeros[0], columns[1], zeros[1]], attrs,
                  n_out=3)


GROUPS = [nbits, gather_blocks, qlinear, products, linear, lstm]
