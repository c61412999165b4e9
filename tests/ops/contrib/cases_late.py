"""Quantised and sliding caches, sparse attention, quantised experts, convolutions of other layouts."""
import ml_dtypes
import numpy as np

KV = {"num_heads": 4, "kv_num_heads": 2}


def caches(c, kind, mode, shape):
    """Past keys and values as codes, and their scales"""
    b, kv, past, h = shape
    scales = [(np.abs(c.floats(*((1, kv, 1, h) if mode == "PER_CHANNEL" else (1,)))) / 20 + 0.02)
              for _ in range(2)]
    if kind == np.int8:
        return [c.ints(-60, 60, b, kv, past, h, dtype=np.int8) for _ in range(2)], scales, 8
    return [c.ints(0, 255, b, kv, past, (h + 1) // 2, dtype=np.uint8) for _ in range(2)], \
        [8 * s for s in scales], 4


def quantised_caches(c):
    n, kv, h = 4, 2, 16
    for kind in (np.int8, np.uint8):
        for mode in ("PER_TENSOR", "PER_CHANNEL"):
            for b, s, past in ((2, 1, 5), (1, 3, 6), (2, 5, 0)):
                q, k, v = (c.floats(b, s, w * h) for w in (n, kv, kv))
                pasts, scales, bits = caches(c, kind, mode, (b, kv, max(past, s), h))
                total = past + s
                lens = np.full(b, total - 1, np.int32)
                cos, sin = c.floats(16, h // 2), c.floats(16, h // 2)
                attrs = {**KV, "k_quant_type": mode, "v_quant_type": mode, "kv_cache_bit_width": bits}
                whole = np.array([total], np.int32)
                c.add("gqa_quantised", "GroupQueryAttention",
                      [q, k, v, *pasts, lens, whole, None, None, None, None, None, *scales], attrs,
                      n_out=3)
                c.add("gqa_quantised_rotary", "GroupQueryAttention",
                      [q, k, v, *pasts, lens, whole, cos, sin, None, None, None, *scales],
                      {**attrs, "do_rotary": 1, "local_window_size": 4}, n_out=3)


def sliding(c):
    n, kv, h, window = 4, 2, 16, 4
    for capacity in (4, 6):
        for b, s, old in ((2, 1, 3), (2, 1, 9), (1, 3, 7), (1, 9, 5), (2, 3, 0), (1, 9, 0)):
            q, k, v = (c.floats(b, s, w * h) for w in (n, kv, kv))
            pasts = [c.floats(b, kv, capacity, h) for _ in range(2)]
            total = old + s
            lens = np.full(b, total - 1, np.int32)
            cos, sin = c.floats(20, h // 2), c.floats(20, h // 2)
            whole = np.array([total], np.int32)
            attrs = {**KV, "sliding_window_cache": 1, "local_window_size": window}
            inputs = [q, k, v, *pasts, lens, whole, cos, sin]
            out = c.add("", "GroupQueryAttention", inputs, {**attrs, "do_rotary": 1}, n_out=3, ask=True)
            if out is None:
                continue
            c.add("gqa_sliding", "GroupQueryAttention", inputs, {**attrs, "do_rotary": 1},
                  outputs=["y", "", ""], expected=out[:1])
            added = c.floats(1, n, s, total)
            inputs = [q, k, v, *pasts, lens, whole, None, None, None, added]
            c.add("gqa_sliding_added", "GroupQueryAttention", inputs, attrs, outputs=["y", "", ""],
                  expected=c.add("", "GroupQueryAttention", inputs, attrs, n_out=3, ask=True)[:1])


def dynamic_pads(c):
    for shape, kernel, stride, group in (((1, 4, 5, 6), (2, 3), 2, 1), ((2, 4, 7), (3,), 1, 2),
                                         ((1, 2, 3, 4, 3), (2, 2, 2), 2, 1)):
        rank = len(kernel)
        x, w = c.floats(*shape), c.floats(shape[1], 3, *kernel)
        bias = c.floats(3 * group)
        pads = c.ints(0, 1, 2 * rank, dtype=np.int64)
        attrs = {"strides": [stride] * rank, "group": group, "kernel_shape": list(kernel)}
        for constants in ((), (2,)):
            c.add("transpose_pads", "ConvTransposeWithDynamicPads", [x, w, pads, bias], attrs,
                  constants=constants)
            c.add("transpose_pads", "ConvTransposeWithDynamicPads", [x, w, pads],
                  {**attrs, "output_padding": [stride - 1] * rank}, constants=constants)


GROUPS = [quantised_caches, sliding, dynamic_pads]
