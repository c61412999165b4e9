"""Generators: operators of com.microsoft, of which ONNX Runtime is the reference. Their names in GENERATORS begin
with "com.microsoft:"."""
import numpy as np
from onnx import TensorProto as T

from builder import Skip
from generators_basic import generator

DOMAIN = "com.microsoft"


def contrib(*names):
    return generator(*[f"{DOMAIN}:{n}" for n in names])


def add(g, op, inputs, outputs, **attributes):
    return g.node(op, inputs, outputs, domain=DOMAIN, **attributes)


def small(g, dims, scale=0.5):
    return g.hold((g.rng.normal(size=dims) * scale).astype(np.float32))


def scale_of(g, count=None):
    return g.hold(np.asarray(g.rng.uniform(0.01, 0.1, count), np.float32), constant=True)


@contrib("Gelu", "QuickGelu", "FastGelu", "BiasGelu")
def gelu(g, _):
    op = g.pick(["Gelu", "QuickGelu", "FastGelu", "BiasGelu"])
    x = g.data([T.FLOAT], low=1, zero=op != "BiasGelu")
    bias = [small(g, x.shape[-1:])] if op == "BiasGelu" or (op == "FastGelu" and g.chance(0.5)) else []
    add(g, op, [x] + bias, [(T.FLOAT, x.shape)],
        alpha=g.pick([None, 1.3]) if op == "QuickGelu" else None)


@contrib("SkipLayerNormalization", "SkipSimplifiedLayerNormalization")
def skip_norm(g, _):
    op = g.pick(["SkipLayerNormalization", "SkipSimplifiedLayerNormalization"])
    dims = g.shape(2, 3, False)[-3:]
    if len(dims) < 2:
        raise Skip
    dtype = g.pick([T.FLOAT, T.FLOAT, T.FLOAT16])
    x, hidden = g.data([dtype], dims=dims, dtype=dtype), dims[-1:]
    inputs = [x, g.new(dtype, dims), g.new(dtype, hidden)]
    if op[4] == "L":
        inputs.append(g.new(dtype, hidden) if g.chance(0.6) else None)
    inputs.append(g.new(dtype, hidden) if g.chance(0.5) else None)
    add(g, op, inputs, [(dtype, dims), None, None, (dtype, dims)][:g.pick([1, 4])], epsilon=g.pick([1e-5, 1e-3]))


@contrib("FusedMatMul")
def fused_matmul(g, _):
    a, b = g.int(0, 1), g.int(0, 1)
    m, k, n, lead = g.int(1, 9), g.int(1, 9), g.int(1, 9), g.shape(0, 2, False)
    dtype = g.pick([T.FLOAT, T.FLOAT, T.DOUBLE])
    x = g.data([dtype], dims=lead + ((k, m) if a else (m, k)), dtype=dtype)
    w = g.new(dtype, (lead if g.chance(0.5) else ()) + ((n, k) if b else (k, n)))
    add(g, "FusedMatMul", [x, w], [(dtype, lead + (m, n))], transA=a, transB=b, alpha=g.pick([None, 0.3]))


@contrib("FusedGemm")
def fused_gemm(g, _):
    a, b = g.int(0, 1), g.int(0, 1)
    m, k, n = g.int(1, 9), g.int(1, 9), g.int(1, 9)
    x = g.data([T.FLOAT], dims=(k, m) if a else (m, k), dtype=T.FLOAT)
    bias = [small(g, g.pick([(n,), (1, n), (m, 1), (m, n), ()]))] if g.chance(0.7) else []
    activation = g.pick(["Relu", "Sigmoid", "Tanh", "LeakyRelu"])
    add(g, "FusedGemm", [x, small(g, (n, k) if b else (k, n))] + bias, [(T.FLOAT, (m, n))], transA=a, transB=b,
        alpha=g.pick([None, 0.3]), activation=activation,
        activation_alpha=0.1 if activation == "LeakyRelu" else None)


@contrib("FusedConv")
def fused_conv(g, _):
    c, m, k = g.int(1, 4), g.int(1, 6), g.int(1, 3)
    x = g.data([T.FLOAT], dims=(g.int(1, 2), c, g.int(3, 7), g.int(3, 7)), dtype=T.FLOAT)
    out = tuple(d - k + 1 for d in x.shape[2:])
    dims = (x.shape[0], m, *out)
    inputs = [x, small(g, (m, c, k, k)), small(g, (m,)) if g.chance(0.6) else None]
    if g.chance(0.4):
        inputs.append(small(g, dims))
    activation = g.pick(["Relu", "Sigmoid", "Tanh", "LeakyRelu", "Clip"])
    params = {"LeakyRelu": [0.1], "Clip": [-0.5, 0.5]}.get(activation)
    add(g, "FusedConv", inputs, [(T.FLOAT, dims)], activation=activation, activation_params=params,
        kernel_shape=[k, k])


@contrib("BiasSoftmax")
def bias_softmax(g, _):
    x = g.data([T.FLOAT], dims=(g.int(1, 3), g.int(1, 3), g.int(1, 5), g.int(1, 9)), dtype=T.FLOAT)
    inner = g.int(0, 1)
    bias = (1, 1, *x.shape[2:]) if inner == 0 else (x.shape[0], 1, 1, x.shape[3])
    add(g, "BiasSoftmax", [x, small(g, bias)], [(T.FLOAT, x.shape)], axis=3 if inner else 2,
        is_inner_broadcast=inner)


@contrib("MultiHeadAttention")
def multi_head(g, _):
    heads, size, n, rows, columns = g.int(1, 3), g.int(1, 4), g.int(1, 2), g.int(1, 5), g.int(1, 5)
    hidden = heads * size
    q = g.data([T.FLOAT], dims=(n, rows, hidden), dtype=T.FLOAT)
    k, v = small(g, (n, columns, hidden)), small(g, (n, columns, hidden))
    bias = small(g, (3 * hidden,)) if g.chance(0.5) else None
    keys = g.rng.integers(0, 2, (n, columns)).astype(np.int32)
    keys[:, 0] = 1
    mask = g.hold(keys) if g.chance(0.4) else None
    added = small(g, (n, heads, rows, columns)) if g.chance(0.4) else None
    causal = 1 if rows == columns and g.chance(0.4) else None
    add(g, "MultiHeadAttention", [q, k, v, bias, mask, added], [(T.FLOAT, q.shape)], num_heads=heads,
        scale=g.pick([None, 0.3]), unidirectional=causal)


@contrib("Attention")
def attention(g, _):
    heads, size, n, length, width = g.int(1, 3), g.int(1, 4), g.int(1, 2), g.int(1, 5), g.int(1, 6)
    hidden = heads * size
    x = g.data([T.FLOAT], dims=(n, length, width), dtype=T.FLOAT)
    mask = None
    if g.chance(0.5):
        keys = g.rng.integers(0, 2, (n, length)).astype(np.int32)
        keys[:, 0] = 1
        mask = g.hold(g.pick([keys, g.rng.integers(1, length + 1, n).astype(np.int32)]))
    add(g, "Attention", [x, small(g, (width, 3 * hidden)), small(g, (3 * hidden,)), mask],
        [(T.FLOAT, (n, length, hidden))], num_heads=heads, unidirectional=g.int(0, 1))


@contrib("RotaryEmbedding")
def rotary(g, _):
    n, heads, length, half = g.int(1, 2), g.int(1, 3), g.int(1, 4), g.int(1, 4)
    x = g.data([T.FLOAT], dims=(n, heads, length, 2 * half), dtype=T.FLOAT)
    positions = g.hold(g.rng.integers(0, 8, (n, length)).astype(np.int64)) if g.chance(0.5) else \
        g.hold(np.array([g.int(0, 8 - length)], np.int64))
    add(g, "RotaryEmbedding", [x, positions, small(g, (8, half)), small(g, (8, half))], [(T.FLOAT, x.shape)],
        interleaved=g.int(0, 1))


@contrib("MatMulNBits")
def matmul_nbits(g, _):
    block, bits = g.pick([16, 32]), g.pick([4, 4, 8])
    k, n = g.int(1, 70), g.int(1, 9)
    blocks = -(-k // block)
    x = g.data([T.FLOAT], dims=g.shape(1, 2, False) + (k,), dtype=T.FLOAT)
    weights = g.hold(g.rng.integers(0, 256, (n, blocks, block * bits // 8)).astype(np.uint8), constant=True)
    scales = g.hold(g.rng.uniform(0.01, 0.1, (n * blocks,)).astype(np.float32), constant=True)
    zeros = []
    if g.chance(0.5):
        row = -(-blocks * bits // 8)
        zeros = [g.hold(g.rng.integers(0, 256, (n * row,)).astype(np.uint8), constant=True)]
    add(g, "MatMulNBits", [x, weights, scales] + zeros, [(T.FLOAT, x.shape[:-1] + (n,))], K=k, N=n, bits=bits,
        block_size=block)


@contrib("QLinearAdd", "QLinearMul")
def qlinear_binary(g, _):
    q = g.pick([T.UINT8, T.INT8])
    dims = g.shape(1, 4, False)
    other, out = g.broadcast_partner(dims)
    zeros = [g.new(q, (), constant=True) for _ in range(3)]
    add(g, g.pick(["QLinearAdd", "QLinearMul"]),
        [g.new(q, dims), scale_of(g), zeros[0], g.new(q, other), scale_of(g), zeros[1], scale_of(g), zeros[2]],
        [(q, out)])


@contrib("QLinearSigmoid", "QLinearLeakyRelu")
def qlinear_unary(g, _):
    q, op = g.pick([T.UINT8, T.INT8]), g.pick(["QLinearSigmoid", "QLinearLeakyRelu"])
    x = g.new(q, g.shape(1, 4), "full")
    add(g, op, [x, scale_of(g), g.new(q, (), constant=True), scale_of(g), g.new(q, (), constant=True)],
        [(q, x.shape)], alpha=0.1 if op[7] == "L" else None)


@contrib("QLinearConcat")
def qlinear_concat(g, _):
    q, dims, inputs, total = g.pick([T.UINT8, T.INT8]), g.shape(1, 4, False), [], 0
    given, axis = g.axis(len(dims))
    for _ in range(g.int(1, 3)):
        size = g.int(1, 4)
        total += size
        part = tuple(size if i == axis else d for i, d in enumerate(dims))
        inputs += [g.new(q, part), scale_of(g), g.new(q, (), constant=True)]
    shape = tuple(total if i == axis else d for i, d in enumerate(dims))
    add(g, "QLinearConcat", [scale_of(g), g.new(q, (), constant=True)] + inputs, [(q, shape)], axis=given)


@contrib("QLinearAveragePool", "QLinearGlobalAveragePool")
def qlinear_pool(g, _):
    q, op = g.pick([T.UINT8, T.INT8]), g.pick(["QLinearAveragePool", "QLinearGlobalAveragePool"])
    x = g.new(q, (g.int(1, 2), g.int(1, 5), g.int(2, 6), g.int(2, 6)))
    inputs = [x, scale_of(g), g.new(q, (), constant=True), scale_of(g), g.new(q, (), constant=True)]
    if op[7] == "G":
        add(g, op, inputs, [(q, (*x.shape[:2], 1, 1))], channels_last=0)
    else:
        add(g, op, inputs, [(q, (*x.shape[:2], x.shape[2] - 1, x.shape[3] - 1))], kernel_shape=[2, 2])


@contrib("MatMulIntegerToFloat", "DynamicQuantizeMatMul")
def integer_products(g, _):
    op, m, k, n = g.pick(["MatMulIntegerToFloat", "DynamicQuantizeMatMul"]), g.int(1, 5), g.int(1, 9), g.int(1, 9)
    w = g.new(g.pick([T.UINT8, T.INT8]), (k, n))
    count = g.pick([None, n])
    zero = g.new(w.dtype, () if count is None else (n,)) if g.chance(0.5) else None
    bias = small(g, (n,)) if g.chance(0.5) else None
    if op[0] == "D":
        x = g.data([T.FLOAT], dims=(m, k), dtype=T.FLOAT)
        inputs = [x, w, scale_of(g, count), zero, bias]
    else:
        x = g.new(T.UINT8 if w.dtype == T.UINT8 else g.pick([T.UINT8, T.INT8]), (m, k))
        inputs = [x, w, scale_of(g), scale_of(g, count), g.new(x.dtype, ()) if g.chance(0.5) else None, zero, bias]
    add(g, op, inputs, [(T.FLOAT, (m, n))])


@contrib("QGemm")
def qgemm(g, _):
    a, b, m, k, n = g.int(0, 1), g.int(0, 1), g.int(1, 5), g.int(1, 9), g.int(1, 9)
    q = g.pick([T.UINT8, T.INT8])
    x, w = g.new(q, (k, m) if a else (m, k)), g.new(T.INT8, (n, k) if b else (k, n), constant=True)
    bias = g.new(T.INT32, (n,)) if g.chance(0.5) else None
    inputs = [x, scale_of(g), g.new(q, (), constant=True), w, scale_of(g), g.new(T.INT8, (), constant=True), bias]
    to = T.FLOAT
    if g.chance(0.5):
        inputs, to = inputs + [g.hold(np.float32(0.4), constant=True), g.new(q, (), constant=True)], q
    add(g, "QGemm", inputs, [(to, (m, n))], transA=a, transB=b, alpha=g.pick([1.0, 1.5]))


@contrib("ExpandDims", "Inverse", "CDist", "Unique", "Trilu")
def various(g, _):
    op = g.pick(["ExpandDims", "Inverse", "CDist", "Unique", "Trilu"])
    if op == "ExpandDims":
        x = g.data([T.FLOAT], high=5, dtype=T.FLOAT)
        axis = g.int(-len(x.shape) - 1, len(x.shape))
        at = axis + len(x.shape) + 1 if axis < 0 else axis
        add(g, op, [x, g.hold(np.array(axis, np.int32), constant=True)],
            [(T.FLOAT, x.shape[:at] + (1,) + x.shape[at:])])
    elif op == "Inverse":
        n = g.int(1, 4)
        matrix = g.rng.normal(size=g.shape(0, 2, False) + (n, n)) + 4 * np.eye(n)
        add(g, op, [g.hold(matrix.astype(np.float32))], [(T.FLOAT, matrix.shape)])
    elif op == "CDist":
        a, b, k = g.int(1, 5), g.int(1, 5), g.int(1, 9)
        add(g, op, [g.new(T.FLOAT, (a, k)), g.new(T.FLOAT, (b, k))], [(T.FLOAT, (a, b))],
            metric=g.pick(["euclidean", "sqeuclidean"]))
    elif op == "Unique":
        x = g.hold(g.rng.integers(-3, 4, g.int(1, 20)).astype(np.float32))
        add(g, op, [x], [(T.FLOAT, None), (T.INT64, x.shape), (T.INT64, None)])
        g.pending = None
    else:
        x = g.data([T.FLOAT, T.INT64, T.DOUBLE], low=2)
        k = g.hold(np.array(g.int(-4, 4), np.int64)) if g.chance(0.6) else None
        add(g, op, [x, k], [(x.dtype, x.shape)], upper=g.pick([None, 0, 1]))
