"""Attention in its forms, with masks, pasts and caches."""

import itertools

import numpy as np


def multi_head(c):
    n, h = 3, 8
    for b, s, l in ((2, 5, 5), (1, 1, 7), (2, 3, 20)):
        for hv in (8, 4):
            q, k, v = c.floats(b, s, n * h), c.floats(b, l, n * h), c.floats(b, l, n * hv)
            bias = c.floats(n * (2 * h + hv))
            added = c.floats(b, n, s, l)
            keys = c.ints(0, 1, b, l)
            keys[:, 0] = 1
            lengths = c.ints(1, l, b)
            queries = c.ints(0, 1, b, s, l)
            attrs = {"num_heads": n}
            c.add("mha", "MultiHeadAttention", [q, k, v], attrs)
            c.add("mha_bias", "MultiHeadAttention", [q, k, v, bias], {**attrs, "scale": 0.2})
            c.add("mha_key_mask", "MultiHeadAttention", [q, k, v, None, keys], attrs)
            c.add("mha_lengths", "MultiHeadAttention", [q, k, v, bias, lengths], attrs)
            c.add("mha_added", "MultiHeadAttention", [q, k, v, None, None, added], attrs)
            c.add("mha_added_broadcast", "MultiHeadAttention",
                  [q, k, v, None, keys, added[:1, :1]], attrs)
            c.add("mha_query_mask", "MultiHeadAttention", [q, k, v, None, queries, added],
                  {**attrs, "mask_filter_value": -5000.0}, tol=(2e-3, 2e-3))
            if s == l:
                c.add("mha_causal", "MultiHeadAttention", [q, k, v, bias, keys, added],
                      {**attrs, "unidirectional": 1})
            k4, v4 = c.floats(b, n, l, h), c.floats(b, n, l, hv)
            if hv == h:
                c.add("mha_heads_first", "MultiHeadAttention", [q, k4, v4], attrs)
                c.add("mha_heads_first_bias", "MultiHeadAttention", [q, k4, v4, bias], attrs)


def multi_head_past(c):
    n, h, b, p = 2, 8, 2, 4
    for s in (1, 3):
        for hv in (8,):
            q, k, v = c.floats(b, s, n * h), c.floats(b, s, n * h), c.floats(b, s, n * hv)
            past_k, past_v = c.floats(b, n, p, h), c.floats(b, n, p, hv)
            bias = c.floats(n * (2 * h + hv))
            added = c.floats(1, n, s, p + s)
            mask = c.ints(0, 1, b, p + s)
            mask[:, -1] = 1
            for unidirectional in (0, 1):
                attrs = {"num_heads": n, "unidirectional": unidirectional}
                c.add("mha_past", "MultiHeadAttention",
                      [q, k, v, None, None, None, past_k, past_v], attrs, n_out=3)
                c.add("mha_past_all", "MultiHeadAttention",
                      [q, k, v, bias, mask, added, past_k, past_v], attrs, n_out=3)
                c.add("mha_past_scores", "MultiHeadAttention",
                      [q, k, v, bias, None, added, past_k, past_v],
                      attrs, n_out=4, types={"y3": 1})


def attention(c):
    n, h = 2, 8
    for b, s in ((2, 5), (1, 1), (3, 9)):
        x = c.floats(b, s, 12)
        w, bias = c.floats(12, 3 * n * h, scale=0.3), c.floats(3 * n * h)
        keys, queries = c.ints(0, 1, b, s), c.ints(0, 1, b, s, s)
        keys[:, 0] = 1
        lengths = c.ints(1, s, b)
        ends = np.concatenate([np.full(b, s), c.ints(0, s - 1, b)]).astype(np.int32)
        past = c.floats(2, b, n, 3, h)
        added = c.floats(1, n, s, s)
        for unidirectional in (0, 1):
            attrs = {"num_heads": n, "unidirectional": unidirectional}
            for mask in (None, keys, queries, lengths, ends):
                c.add("attention", "Attention", [x, w, bias, mask], attrs, constants=(1, 2))
            c.add("attention_added", "Attention", [x, w, bias, keys, None, added], attrs)
            c.add("attention_past", "Attention", [x, w, bias, None, past], attrs, n_out=2)
            total = c.ints(0, 1, b, s + 3)
            total[:, 0] = 1
            c.add("attention_past_mask", "Attention", [x, w, bias, total, past], attrs, n_out=2,
                  constants=(1,))
            c.add("attention_present", "Attention", [x, w, bias], {**attrs, "scale": 0.4},
                  n_out=2)
        w2, bias2 = c.floats(12, 2 * n * h + n * 4), c.floats(2 * n * h + n * 4)
        c.add("attention_sizes", "Attention", [x, w2, bias2],
              {"num_heads": n, "qkv_hidden_sizes": [n * h, n * h, n * 4]}, constants=(1, 2))


def quantised_attention(c):
    n, h = 2, 8
    for x_type, x_low, x_high in ((np.uint8, 0, 255), (np.int8, -128, 127)):
        for w_type, w_low, w_high in ((np.uint8, 0, 255), (np.int8, -128, 127)):
            if x_type == np.int8:
                continue  # ONNX Runtime has no such kernel
            b, s = 2, 5
            x = c.ints(x_low, x_high, b, s, 12, dtype=x_type)
            w = c.ints(w_low, w_high, 12, 3 * n * h, dtype=w_type)
            bias, past = c.floats(3 * n * h), c.floats(2, b, n, 3, h)
            xs, ws = np.float32(0.01), np.float32(0.008)
            xz, wz = c.ints(x_low, x_high, dtype=x_type), c.ints(w_low, w_high, dtype=w_type)
            lengths, total = c.ints(1, s, b), c.ints(0, 1, b, s + 3)
            total[:, 0] = 1
            for unidirectional in (0, 1):
                attrs = {"num_heads": n, "unidirectional": unidirectional}
                for constants in ((), (1, 7)):
                    c.add("qattention", "QAttention", [x, w, bias, xs, ws, lengths, xz, wz],
                          attrs, constants=constants)
                c.add("qattention_past", "QAttention", [x, w, bias, xs, ws, None, xz, wz, past],
                      attrs, n_out=2, constants=(1,))
                c.add("qattention_past_mask", "QAttention",
                      [x, w, bias, xs, ws, total, xz, wz, past], attrs, n_out=2)


def decoder(c):
    n, h, most = 2, 8, 9
    for b, past in ((1, 4), (3, 0), (4, 5)):
        q, k, v = (c.floats(b, 1, n * h) for _ in range(3))
        bias, caches = c.floats(3 * n * h), [c.floats(b, n, most, h) for _ in range(2)]
        for cache in caches:
            cache[:, :, past:] = 0
        mask = c.ints(0, 1, b, past + 1)
        mask[:, -1] = 1
        length = np.array([past], np.int32)
        attrs = {"num_heads": n, "past_present_share_buffer": 1}
        # ONNX Runtime writes into the past, so present is not compared beyond what it copies.
        c.add("decoder", "DecoderMaskedMultiHeadAttention",
              [q, k, v, None, None, *caches, length], attrs,
              outputs=["y", "", ""], expected=decode(q, k, v, caches, past, n))
        c.add("decoder_present", "DecoderMaskedMultiHeadAttention",
              [q, k, v, None, None, *caches, length], attrs, n_out=3,
              expected=decode(q, k, v, caches, past, n) + grown(k, v, caches, past, n))
        c.add("decoder_mask", "DecoderMaskedMultiHeadAttention",
              [q, k, v, mask, None, *caches, length], attrs, outputs=["y", "", ""],
              expected=decode(q, k, v, caches, past, n, mask=mask))
        split = [x.reshape(1, -1) for x in np.split(bias, 3)]
        c.add("decoder_bias", "DecoderMaskedMultiHeadAttention",
              [q, k, v, None, None, *caches, length, None, None, bias], attrs,
              outputs=["y", "", ""],
              expected=decode(*(x + s for x, s in zip((q, k, v), split)), caches, past, n))
        if b == 4:
            beams = c.ints(0, 1, 2, 2, most)
            picked = [np.stack([cache[i // 2 * 2 + beams[i // 2, i % 2], :, np.arange(most)]
                                .swapaxes(0, 1) for i in range(b)]) for cache in caches]
            c.add("decoder_beams", "DecoderMaskedMultiHeadAttention",
                  [q, k, v, None, None, *caches, length, np.array([2], np.int32), beams],
                  attrs, outputs=["y", "", ""], expected=decode(q, k, v, picked, past, n))
        k4, v4 = c.floats(b, n, 6, h), c.floats(b, n, 6, h)
        c.add("decoder_cross", "DecoderMaskedMultiHeadAttention", [q, k4, v4],
              {"num_heads": n})
        c.add("decoder_cross_bias", "DecoderMaskedMultiHeadAttention",
              [q, k4, v4, *[None] * 7, bias], {"num_heads": n})


def grown(k, v, caches, past, n):
    out = [cache.copy() for cache in caches]
    for new, cache in zip((k, v), out):
        cache[:, :, past] = new.reshape(new.shape[0], n, -1)
    return out


def decode(q, k, v, caches, past, n, mask=None):
    b, h = q.shape[0], q.shape[2] // n
    keys, values = (x[:, :, :past + 1].astype(np.float64) for x in grown(k, v, caches, past, n))
    scores = np.einsum("bnh,bnth->bnt", q.reshape(b, n, h), keys) / np.sqrt(h)
    if mask is not None:
        scores += np.where(mask == 0, -10000.0, 0.0)[:, None, :]
    e = np.exp(scores - scores.max(-1, keepdims=True))
    y = np.einsum("bnt,bnth->bnh", e / e.sum(-1, keepdims=True), values)
    return [y.reshape(b, 1, n * h).astype(np.float32)]


def packed(c):
    n, h = 2, 8
    for lengths in ((3, 5), (1, 12, 7), (4,)):
        tokens, most = sum(lengths), max(lengths)
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        offsets = np.zeros((len(lengths), most), np.int32)  # only its shape counts
        q, k, v = (c.floats(tokens, n * h) for _ in range(3))
        bias, added = c.floats(3 * n * h), c.floats(1, n, most, most)
        side = np.concatenate([x.reshape(tokens, n, 1, h) for x in (q, k, v)], 2)

        def expected(q, k, v, added=None):
            out = np.zeros((tokens, n, h))
            for a, b in zip(starts[:-1], starts[1:]):
                x = [m[a:b].reshape(-1, n, h).astype(np.float64) for m in (q, k, v)]
                scores = np.einsum("inh,jnh->nij", x[0], x[1]) / np.sqrt(h)
                if added is not None:
                    scores += added[0, :, :b - a, :b - a]
                e = np.exp(scores - scores.max(-1, keepdims=True))
                out[a:b] = np.einsum("nij,jnh->inh", e / e.sum(-1, keepdims=True), x[2])
            return [out.reshape(tokens, n * h).astype(np.float32)]

        op, attrs = "PackedMultiHeadAttention", {"num_heads": n}
        c.add("packed", op, [q, k, v, None, offsets, starts], attrs, expected=expected(q, k, v))
        c.add("packed_qkv", op, [side, None, None, None, offsets, starts], attrs,
              expected=expected(q, k, v))
        c.add("packed_added", op, [q, k, v, None, offsets, starts, added], attrs,
              expected=expected(q, k, v, added))
        parts = [x + b for x, b in zip((q, k, v), np.split(bias, 3))]
        c.add("packed_bias", op, [side, None, None, bias, offsets, starts], attrs,
              expected=expected(*parts))


def rotary(c):
    for dtype in (np.float32, np.float16):
        for interleaved in (0, 1):
            b, s, n, h = 2, 3, 2, 16
            cos, sin = c.floats(10, h // 2, dtype=dtype), c.floats(10, h // 2, dtype=dtype)
            x3, x4 = c.floats(b, s, n * h, dtype=dtype), c.floats(b, n, s, h, dtype=dtype)
            ids = c.ints(0, 9, b, s, dtype=np.int64)
            start = np.array([4], np.int64)
            attrs = {"interleaved": interleaved}
            for positions, x in itertools.product((ids, start), (x3, x4)):
                c.add("rotary", "RotaryEmbedding", [x, positions, cos, sin], attrs)
            cos, sin = c.floats(10, 4, dtype=dtype), c.floats(10, 4, dtype=dtype)
            c.add("rotary_part", "RotaryEmbedding", [x3, ids, cos, sin],
                  {**attrs, "num_heads": n, "rotary_embedding_dim": 8})
            c.add("rotary_scale", "RotaryEmbedding", [x3, ids, cos, sin],
                  {**attrs, "num_heads": n, "rotary_embedding_dim": 8, "scale": 2.0})


def normed(x, weight):
    v = x.astype(np.float64).reshape(*x.shape[:2], -1, weight.size)
    v = v / np.sqrt((v * v).mean(-1, keepdims=True) + 1e-6) * weight
    return v.reshape(x.shape).astype(x.dtype)


def group_query(c):
    n, kv, h = 4, 2, 16
    for dtype in (np.float32, np.float16):
        for b, s, past in ((1, 6, 0), (2, 6, 0), (1, 1, 5), (2, 1, 5), (1, 3, 5)):
            q = c.floats(b, s, n * h, dtype=dtype)
            k, v = c.floats(b, s, kv * h, dtype=dtype), c.floats(b, s, kv * h, dtype=dtype)
            pasts = [c.floats(b, kv, past, h, dtype=dtype) for _ in range(2)] if past else [None] * 2
            total = past + s
            lens = np.full(b, total - 1, np.int32)
            if b > 1 and past:
                lens[0] -= 2
            whole = np.array([total], np.int32)
            cos, sin = c.floats(16, h // 2, dtype=dtype), c.floats(16, h // 2, dtype=dtype)
            base = {"num_heads": n, "kv_num_heads": kv}
            for attrs in ({}, {"softcap": 3.0}, {"local_window_size": 3}, {"scale": 0.3},
                          {"smooth_softmax": 1}, {"local_window_size": 2, "softcap": 5.0}):
                c.add("gqa", "GroupQueryAttention", [q, k, v, *pasts, lens, whole],
                      {**base, **attrs}, n_out=3)
            for interleaved in (0, 1):
                c.add("gqa_rotary", "GroupQueryAttention",
                      [q, k, v, *pasts, lens, whole, cos, sin],
                      {**base, "do_rotary": 1, "rotary_interleaved": interleaved}, n_out=3)
            packed = np.concatenate([q, k, v], -1)
            c.add("gqa_packed", "GroupQueryAttention",
                  [packed, None, None, *pasts, lens, whole, cos, sin], {**base, "do_rotary": 1},
                  n_out=3, constants=(6,))
            added = c.floats(1, n, s, total, dtype=dtype)
            c.add("gqa_added", "GroupQueryAttention",
                  [q, k, v, *pasts, lens, whole, None, None, None, added], base, n_out=3)
            sinks = c.floats(n, dtype=dtype)
            c.add("gqa_sinks", "GroupQueryAttention",
                  [q, k, v, *pasts, lens, whole, None, None, None, None, sinks], base, n_out=3)
            norms = [c.floats(h, dtype=dtype) for _ in range(2)]
            c.add("gqa_norms", "GroupQueryAttention",
                  [q, k, v, *pasts, lens, whole, cos, sin, *[None] * 5, *norms],
                  {**base, "do_rotary": 1}, n_out=3,
                  expected=c.add("", "GroupQueryAttention",
                                 [normed(q, norms[0]), normed(k, norms[1]), v, *pasts, lens, whole,
                                  cos, sin], {**base, "do_rotary": 1}, n_out=3, ask=True))
            for output in (1, 2):
                c.add(f"gqa_scores{output}", "GroupQueryAttention",
                      [q, k, v, *pasts, np.full(b, total - 1, np.int32), whole],
                      {**base, "qk_output": output}, n_out=4)


GROUPS = [multi_head, multi_head_past, attention, quantised_attention, decoder, packed,
          rotary, group_query]
