"""Norms of sums, embeddings, products with an epilogue, biases, rotations."""

import math

import numpy as np

ERF = np.vectorize(math.erf, otypes=[np.float64])


def skip_layer_norm(c):
    for dtype in (np.float32, np.float16):
        for shape, skip in (((2, 3, 17), (2, 3, 17)), ((2, 3, 64), (1, 3, 64)),
                            ((3, 2, 8), (2, 8)), ((5, 33), (5, 33))):
            h = shape[-1]
            x, s = c.floats(*shape, dtype=dtype), c.floats(*skip, dtype=dtype)
            gamma, beta, bias = (c.floats(h, dtype=dtype) for _ in range(3))
            for inputs in ([x, s, gamma], [x, s, gamma, beta], [x, s, gamma, None, bias],
                           [x, s, gamma, beta, bias]):
                c.add("skip_layer_norm", "SkipLayerNormalization", inputs, {"epsilon": 1e-5},
                      constants=(2, 3), outputs=["y", "", "", "sum"])
            c.add("skip_layer_norm_plain", "SkipLayerNormalization", [x, s, gamma, beta])
            for inputs in ([x, s, gamma], [x, s, gamma, bias]):
                c.add("skip_rms_norm", "SkipSimplifiedLayerNormalization", inputs,
                      {"epsilon": 1e-6}, outputs=["y", "", "", "sum"])


def skip_layer_norm_statistics(c):
    x, s, gamma, beta = c.floats(2, 3, 9), c.floats(2, 3, 9), c.floats(9), c.floats(9)
    v = (x + s).astype(np.float64)
    mean, inv = v.mean(-1, keepdims=True), 1 / np.sqrt(v.var(-1, keepdims=True) + 1e-5)
    y = (v - mean) * inv * gamma + beta
    c.add("skip_layer_norm_statistics", "SkipLayerNormalization", [x, s, gamma, beta],
          {"epsilon": 1e-5}, n_out=4,
          expected=[a.astype(np.float32) for a in (y, mean, inv, v)])


def simplified_layer_norm(c):
    for dtype in (np.float32, np.float64, np.float16):
        for shape, axis in (((2, 3, 17), -1), ((2, 3, 4), 1), ((40,), 0)):
            x = c.floats(*shape, dtype=dtype)
            scale = c.floats(*shape[axis:], dtype=dtype)
            c.add("rms_norm", "SimplifiedLayerNormalization", [x, scale],
                  {"axis": axis, "epsilon": 1e-5, "stash_type": 1}, domain="",
                  n_out=1 if dtype == np.float64 else 2)


def embed_layer_norm(c):
    word, position, segment = c.floats(20, 24), c.floats(12, 24), c.floats(3, 24)
    gamma, beta = c.floats(24), c.floats(24)
    ids, segments, mask = c.ints(0, 19, 2, 7), c.ints(0, 2, 2, 7), c.ints(0, 1, 2, 7)
    positions = c.ints(0, 11, 2, 7)
    tables = [word, position, segment, gamma, beta]
    for inputs in ([ids, segments, *tables], [ids, segments, *tables, mask],
                   [ids, None, word, position, None, gamma, beta, mask],
                   [ids, segments, *tables, mask, positions],
                   [ids, segments, *tables, None, positions[:1]]):
        c.add("embed", "EmbedLayerNormalization", inputs, {"epsilon": 1e-6}, n_out=3,
              constants=(2, 3, 4, 5, 6))
    c.add("embed_no_mask_index", "EmbedLayerNormalization", [ids, segments, *tables],
          outputs=["y", "", "sum"])


def quantised_embed_layer_norm(c):
    for dtype, low, high in ((np.uint8, 0, 255), (np.int8, -128, 127)):
        tables = [c.ints(low, high, *shape, dtype=dtype)
                  for shape in ((20, 16), (9, 16), (2, 16), (16,), (16,))]
        scales = [np.float32(s) for s in (0.02, 0.01, 0.03, 0.02, 0.01)]
        zeros = [c.ints(low, high, dtype=dtype) for _ in range(5)]
        ids, segments, mask = c.ints(0, 19, 2, 5), c.ints(0, 1, 2, 5), c.ints(0, 1, 2, 5)
        c.add("qembed", "QEmbedLayerNormalization",
              [ids, segments, *tables, mask, *scales, *zeros], n_out=2)
        c.add("qembed_no_segment", "QEmbedLayerNormalization",
              [ids, None, tables[0], tables[1], None, *tables[3:], None, scales[0], scales[1], None,
               *scales[3:], zeros[0], zeros[1], None, *zeros[3:]], n_out=2)


def fused_matmul(c):
    for dtype in (np.float32, np.float64):
        for trans_a in (0, 1):
            for trans_b in (0, 1):
                a = c.floats(*((5, 7) if trans_a else (7, 5)), dtype=dtype)
                b = c.floats(*((9, 5) if trans_b else (5, 9)), dtype=dtype)
                attrs = {"transA": trans_a, "transB": trans_b, "alpha": 0.3}
                c.add("fused_matmul", "FusedMatMul", [a, b], attrs)
                c.add("fused_matmul_weight", "FusedMatMul", [a, b], attrs, constants=(1,))
                a3 = c.floats(*((2, 3, 5, 4) if trans_a else (2, 3, 4, 5)), dtype=dtype)
                b3 = c.floats(*((3, 6, 5) if trans_b else (3, 5, 6)), dtype=dtype)
                c.add("fused_matmul_batch", "FusedMatMul", [a3, b3], attrs)
    for trans_a in (0, 1):
        for trans_b in (0, 1):
            a = c.floats(*((5, 2, 3, 4) if trans_a else (4, 2, 3, 5)))
            b = c.floats(*((6, 2, 3, 5) if trans_b else (5, 2, 3, 6)))
            for batch_a in (0, 1):
                for batch_b in (0, 1):
                    x = a if batch_a else np.ascontiguousarray(np.moveaxis(a, 0, 2))
                    y = b if batch_b else np.ascontiguousarray(np.moveaxis(b, 0, 2))
                    c.add("fused_matmul_trans_batch", "FusedMatMul", [x, y],
                          {"transA": trans_a, "transB": trans_b, "transBatchA": batch_a,
                           "transBatchB": batch_b, "alpha": 1.5}, constants=(1,))
    c.add("fused_matmul_vector", "FusedMatMul", [c.floats(5), c.floats(5, 4)], {"transA": 1})
    c.add("transpose_matmul", "TransposeMatMul", [c.floats(5, 4), c.floats(5, 3)], {"transA": 1})
    a, b = c.floats(4, 5), c.floats(5, 6)
    c.add("fused_matmul_activation", "FusedMatMulActivation", [a, b],
          {"activation": "Relu", "alpha": 0.5}, expected=[np.maximum(a @ b * 0.5, 0)])
    c.add("fused_matmul_leaky", "FusedMatMulActivation", [a, b],
          {"activation": "LeakyRelu", "activation_alpha": 0.1},
          expected=[np.where(a @ b < 0, a @ b * np.float32(0.1), a @ b)])


def fused_gemm(c):
    for activation in ({"activation": "Relu"}, {"activation": "Tanh"},
                       {"activation": "Sigmoid"},
                       {"activation": "LeakyRelu", "activation_alpha": 0.2},
                       {"activation": "HardSigmoid", "activation_alpha": 0.3,
                        "activation_beta": 0.4}):
        for bias in ((6,), (4, 6), (4, 1), (1,)):
            c.add("fused_gemm", "FusedGemm", [c.floats(5, 4), c.floats(6, 5), c.floats(*bias)],
                  {"transA": 1, "transB": 1, "alpha": 0.7, "beta": 0.3, **activation},
                  constants=(1,))
        c.add("fused_gemm_no_c", "FusedGemm", [c.floats(4, 5), c.floats(5, 6)], activation)


def gelu_tanh(x):
    return x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def gelu_erf(x):
    return x / 2 * (1 + ERF(x / math.sqrt(2)))


def gelu_products(c):
    for dtype in (np.float32, np.float16):
        x, w, b = (c.floats(*s, dtype=dtype) for s in ((2, 3, 5), (5, 7), (7,)))
        y = x.astype(np.float64) @ w.astype(np.float64)
        c.add("gemm_fast_gelu", "GemmFastGelu", [x, w], expected=[gelu_tanh(y).astype(dtype)])
        c.add("gemm_fast_gelu_bias", "GemmFastGelu", [x, w, b],
              expected=[gelu_tanh(y + b.astype(np.float64)).astype(dtype)])


def gelus(c):
    for n in (1, 7, 33):
        x, b = c.floats(3, n, scale=2), c.floats(n)
        c.add("gelu", "Gelu", [x])
        c.add("quick_gelu", "QuickGelu", [x], {"alpha": 1.3})
        c.add("fast_gelu", "FastGelu", [x])
        c.add("fast_gelu_bias", "FastGelu", [x, b])
        c.add("bias_gelu", "BiasGelu", [x, b])


def biases(c):
    for dtype in (np.float32, np.float16):
        x, bias, skip = (c.floats(*s, dtype=dtype) for s in ((2, 3, 10), (10,), (2, 3, 10)))
        wide = [a.astype(np.float64) for a in (x, bias, skip)]
        c.add("bias_add", "BiasAdd", [x, bias, skip], expected=[sum(wide).astype(dtype)])
        v = wide[0] + wide[1]
        c.add("bias_split_gelu", "BiasSplitGelu", [x, bias],
              expected=[(v[..., :5] * gelu_erf(v[..., 5:])).astype(dtype)])
    for dtype in (np.float32, np.float64, np.float16):
        x = c.floats(2, 3, 4, 5, dtype=dtype)

        def softmax(v):
            e = np.exp(v - v.max(-1, keepdims=True))
            return (e / e.sum(-1, keepdims=True)).astype(dtype)

        inner = c.floats(2, 1, 1, 5, dtype=dtype)
        c.add("bias_softmax_inner", "BiasSoftmax", [x, inner],
              {"axis": 3, "is_inner_broadcast": 1},
              expected=[softmax(x.astype(np.float64) + inner)])
        outer = c.floats(1, 3, 4, 5, dtype=dtype)
        c.add("bias_softmax_outer", "BiasSoftmax", [x, outer],
              {"axis": -1, "is_inner_broadcast": 0},
              expected=[softmax(x.astype(np.float64) + outer)])


GROUPS = [skip_layer_norm, skip_layer_norm_statistics, simplified_layer_norm, embed_layer_norm,
          quantised_embed_layer_norm, fused_matmul, fused_gemm, gelu_products, gelus, biases]
