"""Quantised and sliding caches, sparse attention, quantised experts, convolutions of other layouts."""
import itertools

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


def float8_caches(c):
    """ONNX Runtime has no such kernel: its result of what the codes stand for"""
    n, kv, h, fp8 = 4, 2, 16, ml_dtypes.float8_e4m3fn
    for b, s, past in ((2, 1, 5), (1, 3, 6)):
        q, k, v = (c.floats(b, s, w * h) for w in (n, kv, kv))
        codes = [c.floats(b, kv, past, h).astype(fp8) for _ in range(2)]
        scales = [np.abs(c.floats(1)) + np.float32(0.5) for _ in range(2)]
        lens, whole = np.full(b, past + s - 1, np.int32), np.array([past + s], np.int32)
        new = [(x / scale).astype(fp8) for x, scale in zip((k, v), scales)]
        real = [x.astype(np.float32) * scale for x, scale in zip(new + codes, scales + scales)]
        y = c.add("", "GroupQueryAttention", [q, *real, lens, whole], KV, n_out=3, ask=True)[0]
        present = [np.concatenate([old, x.reshape(b, s, kv, h).swapaxes(1, 2)], 2)
                   for old, x in zip(codes, new)]
        c.add("gqa_float8", "GroupQueryAttention",
              [q, k, v, *codes, lens, whole, None, None, None, None, None, *scales],
              {**KV, "k_quant_type": "PER_TENSOR", "v_quant_type": "PER_TENSOR"},
              expected=[y, *present])


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
            if capacity == window and total >= window:  # all rows of the present mean something
                c.add("gqa_sliding", "GroupQueryAttention", inputs, {**attrs, "do_rotary": 1}, n_out=3)
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


def pack(codes, bits):
    """Codes of a last axis into bytes, the first in the low bits, padded to a whole byte"""
    per = 8 // bits
    codes = np.pad(codes, [(0, 0)] * (codes.ndim - 1) + [(0, -codes.shape[-1] % per)])
    codes = codes.reshape(*codes.shape[:-1], -1, per).astype(np.uint8)
    return sum(codes[..., i] << (i * bits) for i in range(per)).astype(np.uint8)


def int_product(c, bits, block, zeros, n, k):
    """Codes, scales and zero points of three experts, and the weights that they stand for"""
    codes = c.ints(0, 2**bits - 1, 3, n, k, dtype=np.uint8)
    scales = np.abs(c.floats(3, n, *([k // block] if block else []))) / 2**(bits + 3) + np.float32(0.002)
    zero = c.ints(0, 2**bits - 1, *scales.shape, dtype=np.uint8) if zeros else \
        np.full(scales.shape, 2**(bits - 1), np.uint8)
    wide = [a.repeat(block, 2) if block else a[..., None] for a in (scales, zero.astype(np.float32))]
    return pack(codes, bits), scales, pack(zero, bits) if zeros else None, (codes - wide[1]) * wide[0]


def int_experts(c):
    hidden, inter, tokens = 32, 64, 5
    for bits, block, zeros in itertools.product((2, 4, 8), (0, 16, 32), (False, True)):
        x, router, bias = c.floats(tokens, hidden), c.floats(tokens, 3), c.floats(3, hidden)
        attrs = {"k": 2, "expert_weight_bits": bits, **({"block_size": block} if block else {})}
        w2, s2, z2, r2 = int_product(c, bits, block, zeros, hidden, inter)
        for act in ("relu", "silu", "gelu", "identity", "swiglu"):
            wide = 2 * inter if act == "swiglu" else inter
            w1, s1, z1, r1 = int_product(c, bits, block, zeros, wide, hidden)
            inputs = [x, router, w1, s1, None, w2, s2, bias, None, None, None, z1, z2]
            more = {"k": 2, "activation_type": act, "normalize_routing_weights": 1}
            if act == "swiglu":
                more.update(swiglu_fusion=1, activation_alpha=1.7, activation_beta=1.0, swiglu_limit=7.0)
            if bits == 8 and block or bits == 2 and block == 32:
                # QMoE of ONNX Runtime rounds activations to bytes there; its MoE does not.
                c.add("qmoe", "QMoE", inputs, {**attrs, **more},
                      expected=c.add("", "MoE", [x, router, r1, None, r2, bias], more, ask=True))
                continue
            for normalise in (0, 1):
                more["normalize_routing_weights"] = normalise
                c.add("qmoe", "QMoE", inputs, {**attrs, **more})
                c.add("qmoe_mixing", "QMoE", inputs + [None, np.abs(c.floats(tokens, 3))], {**attrs, **more})


def float_experts(c):
    """Experts of float codes, whose products ONNX Runtime's MoE makes of the same weights as floats"""
    experts, hidden, inter, tokens = 2, 32, 64, 4
    fp8, fp4, e8m0 = ml_dtypes.float8_e4m3fn, ml_dtypes.float4_e2m1fn, ml_dtypes.float8_e8m0fnu

    def fp8_product(n, k, block):
        codes, total = c.floats(experts, n, k).astype(fp8), np.abs(c.floats(experts)) + 0.1
        if not block:
            return codes, None, total, codes.astype(np.float32) * total[:, None, None]
        scales = np.abs(c.floats(experts, -(-n // block), -(-k // block))) + 0.1
        spread = scales.repeat(block, 1)[:, :n].repeat(block, 2)[:, :, :k]
        return codes, scales, None, codes.astype(np.float32) * spread

    def fp4_product(n, k, block, scale_type):
        codes, total = c.floats(experts, n, k, scale=2.0).astype(fp4), np.abs(c.floats(experts)) + 0.1
        scales = (2.0 ** c.ints(-2, 1, experts, n, k // block)).astype(np.float32).astype(scale_type)
        real = codes.astype(np.float32) * scales.astype(np.float32).repeat(block, 2)
        return pack(codes.view(np.uint8), 4), scales, total, real * total[:, None, None]

    forms = [("fp8", 0, fp8_product), ("fp8", 24, fp8_product),
             ("fp4", 32, lambda n, k, b: fp4_product(n, k, b, e8m0)),
             ("nvfp4", 16, lambda n, k, b: fp4_product(n, k, b, fp8))]
    for kind, block, product in forms:
        x, router, bias = c.floats(tokens, hidden), c.floats(tokens, experts), c.floats(experts, hidden)
        w1, s1, t1, r1 = product(inter, hidden, block)
        w2, s2, t2, r2 = product(hidden, inter, block)
        common = {"k": 2, "activation_type": "silu", "normalize_routing_weights": 1}
        expected = c.add("", "MoE", [x, router, r1, None, r2, bias], common, ask=True)
        c.add(f"qmoe_{kind}", "QMoE",
              [x, router, w1, s1, None, w2, s2, bias, *[None] * 7, t1, t2],
              {**common, "quant_type": kind, "block_size": block, "expert_weight_bits": 8 if kind == "fp8" else 4},
              expected=expected)


def csr(masks):
    """Rows and columns of the blocks of each layout"""
    rows = [np.concatenate([[0], np.cumsum(m.sum(1))]) for m in masks]
    cols = [np.nonzero(m)[1] for m in masks]
    most = max(len(x) for x in cols)
    cols = [np.concatenate([x, np.full(most - len(x), -1)]) for x in cols]
    return np.array(rows, np.int32), np.array(cols, np.int32)


def sparse(c):
    n, kv, h, block, most = 4, 2, 16, 16, 64
    for layouts in (1, 2, 4):
        for b, s, old in ((1, 40, 0), (2, 40, 0), (2, 1, 35), (1, 1, 63), (2, 1, 0)):
            masks = np.tril(c.rng.integers(0, 2, (layouts, most // block, most // block)))
            masks[:, range(most // block), range(most // block)] = 1
            q, k, v = (c.floats(b, s, w * h) for w in (n, kv, kv))
            pasts = [c.floats(b, kv, most, h) for _ in range(2)]
            cos, sin = c.floats(most, h // 2), c.floats(most, h // 2)
            lens = np.full(b, old + s, np.int32)
            if b > 1 and old:
                lens[0] -= 7
            attrs = {**KV, "sparse_block_size": block}
            rest = [*pasts, *csr(masks), np.array([old + s], np.int32), lens]
            for inputs, more in (([q, k, v, *rest], {"scale": 0.3}),
                                 ([q, k, v, *rest, cos, sin], {"do_rotary": 1}),
                                 ([np.concatenate([q, k, v], -1), None, None, *rest, cos, sin],
                                  {"do_rotary": 1, "rotary_interleaved": 1})):
                c.add("sparse", "SparseAttention", inputs, {**attrs, **more}, outputs=["y", "k", "v"],
                      expected=each_sequence(c, inputs, {**attrs, **more}))


def each_sequence(c, inputs, attrs):
    """ONNX Runtime on one sequence after the other: with lengths that differ it reads what it never wrote"""
    found = []
    for b in range(len(inputs[0])):
        one = [x[b:b + 1] if x is not None and i not in (5, 6, 7, 9, 10) else x for i, x in enumerate(inputs)]
        one[7] = one[8]
        found.append(c.add("", "SparseAttention", one, attrs, outputs=["y", "k", "v"],
                           shared={"k": 3, "v": 4}, ask=True))
    return [np.concatenate(parts) for parts in zip(*found)]


def channels_last(c):
    """ONNX Runtime's CPU provider has no kernel: its FusedConv between transposes"""
    for shape, kernel, group, attrs in (
            ((2, 4, 7, 8), (3, 2), 1, {"pads": [1, 0, 1, 1], "strides": [2, 1]}),
            ((1, 6, 5, 5), (3, 3), 3, {"dilations": [2, 2], "pads": [2, 2, 2, 2]}),
            ((2, 3, 20, 20), (1, 1), 1, {}), ((1, 4, 6), (3,), 2, {"auto_pad": "SAME_UPPER"})):
        x, w, bias = c.floats(*shape), c.floats(4 * group, shape[1] // group, *kernel), c.floats(4 * group)
        last, attrs = np.moveaxis(x, 1, -1), {**attrs, "group": group, "kernel_shape": list(kernel)}
        plain = c.add("", "Conv", [x, w, bias], attrs, domain="", ask=True)[0]
        added = c.floats(*np.moveaxis(plain, 1, -1).shape)
        sums = np.moveaxis(plain, 1, -1) + added
        c.add("nhwc_conv", "NhwcFusedConv", [last, w, bias], attrs, expected=[np.moveaxis(plain, 1, -1)])
        c.add("nhwc_conv_added", "NhwcFusedConv", [last, w, bias, added], attrs, expected=[sums])
        c.add("nhwc_conv_relu", "NhwcFusedConv", [last, w, bias, added], {**attrs, "activation": "Relu"},
              expected=[np.maximum(sums, 0)])
        c.add("nhwc_conv_leaky", "NhwcFusedConv", [last, w, None, added],
              {**attrs, "activation": "LeakyRelu", "activation_params": [0.2]},
              expected=[np.where(sums - bias > 0, sums - bias, 0.2 * (sums - bias)).astype(np.float32)])
        half = [a.astype(np.float16) for a in (last, w, bias)]
        wide = c.add("", "Conv", [np.moveaxis(half[0], -1, 1).astype(np.float32), *[
            a.astype(np.float32) for a in half[1:]]], attrs, domain="", ask=True)[0]
        c.add("nhwc_conv_half", "NhwcFusedConv", half, attrs,
              expected=[np.moveaxis(wide, 1, -1).astype(np.float16)])


GROUPS = [channels_last, quantised_caches, float8_caches, sliding, sparse, dynamic_pads, int_experts, float_experts]
