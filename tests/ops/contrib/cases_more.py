"""Pools of bytes, group norms and small operators."""

import numpy as np

BYTES = ((np.uint8, 0, 255), (np.int8, -128, 127))


def pools(c):
    for dtype, low, high in BYTES:
        def q(*shape):
            return c.ints(low, high, *shape, dtype=dtype)

        for last in (0, 1):
            x = q(2, 7, 8, 3) if last else q(2, 3, 7, 8)
            parameters = [np.float32(0.0313), q(), np.float32(0.02207), q()]
            for attrs in ({"kernel_shape": [3, 3]}, {"kernel_shape": [2, 3], "strides": [2, 1]},
                          {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]},
                          {"kernel_shape": [3, 3], "pads": [1, 0, 1, 2], "count_include_pad": 1},
                          {"kernel_shape": [2, 2], "auto_pad": "SAME_UPPER"}):
                c.add("qlinear_pool", "QLinearAveragePool", [x, *parameters],
                      {**attrs, "channels_last": last}, constants=(1, 2, 3, 4))
            c.add("qlinear_global_pool", "QLinearGlobalAveragePool", [x, *parameters],
                  {"channels_last": last})


def softmax(c):
    for dtype, low, high in BYTES:
        for shape, axis, opset in (((3, 10), -1, 13), ((2, 3, 4), 1, 13), ((2, 3, 4), 1, 11)):
            x = c.ints(low, high, *shape, dtype=dtype)
            zero = c.ints(low, high, dtype=dtype)
            out = np.array(low, dtype)
            v = x.astype(np.float64) * np.float32(0.05)
            axes = tuple(range(axis, len(shape))) if opset < 13 else axis
            e = np.exp(v - v.max(axes, keepdims=True))
            y = np.rint(e / e.sum(axes, keepdims=True) * 256) + low
            # ONNX Runtime sums rounded exponentials and is off by one now and then.
            c.add("qlinear_softmax", "QLinearSoftmax",
                  [x, np.float32(0.05), zero, np.float32(1 / 256), out],
                  {"axis": axis, "opset": opset}, constants=(1, 2, 3, 4),
                  expected=[np.clip(y, low, high).astype(dtype)])


def group_norm(c):
    for dtype in (np.float32, np.float16):
        for last in (0, 1):
            x = c.floats(2, 5, 4, 6, dtype=dtype) if last else c.floats(2, 6, 5, 4, dtype=dtype)
            gamma, beta, bias = c.floats(6), c.floats(6), c.floats(6, dtype=dtype)
            skips = [c.floats(*x.shape, dtype=dtype), c.floats(2, 6, dtype=dtype)]
            if last:
                skips.append(c.floats(2, 1, 1, 6, dtype=dtype))

            def norm(v, silu):
                v = v.astype(np.float64) if last else np.moveaxis(v, 1, -1).astype(np.float64)
                g = v.reshape(2, 20, 3, 2)
                g = (g - g.mean((1, 3), keepdims=True)) / np.sqrt(
                    g.var((1, 3), keepdims=True) + 1e-5)
                y = g.reshape(v.shape) * gamma + beta
                y = y / (1 + np.exp(-y)) if silu else y
                return (y if last else np.moveaxis(y, -1, 1)).astype(dtype)

            for silu in (0, 1):
                attrs = {"groups": 3, "activation": silu, "channels_last": last}
                c.add("group_norm", "GroupNorm", [x, gamma, beta], attrs, expected=[norm(x, silu)])
                for skip in skips:
                    spread = skip.astype(np.float64)
                    if skip.ndim == 2:
                        spread = spread[:, None, None, :] if last else spread[:, :, None, None]
                    total = x.astype(np.float64) + spread
                    c.add("skip_group_norm", "SkipGroupNorm", [x, gamma, beta, skip], attrs,
                          n_out=2, expected=[norm(total, silu), total.astype(dtype)])
                    total = total + (bias if last else bias[:, None, None])
                    c.add("skip_group_norm_bias", "SkipGroupNorm", [x, gamma, beta, skip, bias],
                          attrs, n_out=2, expected=[norm(total, silu), total.astype(dtype)])


def small(c):
    for dtype in (np.float32, np.float64):
        for metric in ("euclidean", "sqeuclidean"):
            c.add("cdist", "CDist", [c.floats(5, 7, dtype=dtype), c.floats(3, 7, dtype=dtype)],
                  {"metric": metric})
        x = c.floats(2, 3, 4, 4, dtype=dtype) + 3 * np.eye(4, dtype=dtype)
        c.add("inverse", "Inverse", [x], tol=(1e-3, 1e-3))
    for axis in (0, 2, -1, -2):
        c.add("expand_dims", "ExpandDims", [c.floats(3, 4), np.array(axis, np.int32)])
        c.add("expand_dims_constant", "ExpandDims", [c.floats(3, 4), np.array(axis, np.int32)],
              constants=(1,))
    for n in (1, 2, 3):
        c.add("ngram", "NGramRepeatBlock", [c.ints(0, 3, 4, 9, dtype=np.int64), c.floats(4, 6)],
              {"ngram_size": n})
    for upper in (0, 1):
        c.add("trilu", "Trilu", [c.floats(3, 4, 5)], {"upper": upper})
        c.add("trilu_k", "Trilu", [c.floats(3, 4, 5), np.array(1, np.int64)], {"upper": upper})
    for mode in ("constant", "reflect", "edge"):
        pads = np.array([1, 0, 2, 1], np.int64)
        c.add("pad", "Pad", [c.floats(4, 5), pads], {"mode": mode})
    for mode in ("bilinear", "nearest", "bicubic"):
        for padding in ("zeros", "border", "reflection"):
            c.add("grid_sample", "GridSample",
                  [c.floats(2, 3, 5, 6), c.rng.uniform(-1.2, 1.2, (2, 4, 4, 2)).astype(np.float32)],
                  {"mode": mode, "padding_mode": padding, "align_corners": 1})
    c.add("gather_nd", "GatherND", [c.floats(3, 4, 5), c.ints(0, 2, 2, 2, dtype=np.int64)])


def experts(c):
    hidden, inter, n = 8, 12, 4
    for tokens in ((5,), (2, 3)):
        x, router = c.floats(*tokens, hidden), c.floats(int(np.prod(tokens)), n)
        fc1, fc2 = c.floats(n, inter, hidden), c.floats(n, hidden, inter)
        wide, bias = c.floats(n, 2 * inter, hidden), c.floats(n, 2 * inter)
        for k in (1, 2):
            for normalise in (0, 1):
                attrs = {"k": k, "normalize_routing_weights": normalise}
                for act in ("relu", "gelu", "silu", "identity"):
                    c.add("moe", "MoE", [x, router, fc1, None, fc2], {**attrs,
                          "activation_type": act})
                c.add("moe_bias", "MoE",
                      [x, router, fc1, c.floats(n, inter), fc2, c.floats(n, hidden)], attrs)
                c.add("moe_swiglu", "MoE", [x, router, wide, bias, fc2, c.floats(n, hidden)],
                      {**attrs, "activation_type": "swiglu", "swiglu_fusion": 1,
                       "activation_alpha": 1.702, "activation_beta": 1.0, "swiglu_limit": 7.0})


def unique(c):
    c.add("unique", "Unique", [c.ints(0, 6, 40).astype(np.float32)], n_out=3)
    c.add("unique_single", "Unique", [c.floats(1)], n_out=3)


GROUPS = [pools, softmax, group_norm, small, experts, unique]
