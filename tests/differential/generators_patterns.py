"""Generators: subgraphs that exporters write and that passes look for, with variations, some of which a pass
must leave alone. Their names in GENERATORS begin with "pattern:"."""
import numpy as np
from onnx import TensorProto as T
from onnx import helper

from builder import Skip
from generators_basic import GENERATORS, generator

NUMPY = {T.FLOAT: np.float32, T.FLOAT16: np.float16, T.DOUBLE: np.float64, T.INT64: np.int64}


def pattern(name):
    return generator(f"pattern:{name}")


class Maker:
    """Shorthand for nodes whose shapes follow from their inputs"""

    def __init__(self, g):
        self.g = g

    def input(self, *dims, dtype=None):
        dtype = dtype or self.g.pick([T.FLOAT, T.FLOAT, T.FLOAT, T.FLOAT16, T.DOUBLE])
        return self.g.data([dtype], dims=dims, dtype=dtype)

    def weight(self, like, *dims, scale=0.5):
        array = (self.g.rng.normal(size=dims) * scale).astype(NUMPY[like.dtype])
        return self.g.hold(array, constant=self.g.chance(0.85))

    def number(self, like, value):
        """A constant; now and then another number, one that the caller sets, or one of another shape"""
        if self.g.chance(0.06):
            value = value * 1.25
        shape = self.g.pick([(), (), (), (1,), (1, 1)])
        return self.g.hold(np.full(shape, value, NUMPY[like.dtype]), constant=self.g.chance(0.95))

    def un(self, op, x, **attributes):
        return self.g.node(op, [x], [(x.dtype, x.shape)], **attributes)

    def bin(self, op, a, b):
        if not hasattr(b, "name"):
            b = self.number(a, b)
        if op in ("Add", "Mul") and self.g.chance(0.4):
            a, b = b, a
        return self.g.node(op, [a, b], [(a.dtype, np.broadcast_shapes(a.shape, b.shape))])

    def matmul(self, a, b):
        lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        return self.g.node("MatMul", [a, b], [(a.dtype, lead + (a.shape[-2], b.shape[-1]))])

    def transpose(self, x, *perm):
        return self.g.node("Transpose", [x], [(x.dtype, [x.shape[p] for p in perm])], perm=list(perm))

    def reshape(self, x, *dims, given=None):
        """given: as it stands in the constant"""
        return self.g.node("Reshape", [x, self.g.ints(given or dims, constant=True)], [(x.dtype, dims)])

    def mean(self, x, axes):
        """Keeps dimensions"""
        g, dims = self.g, tuple(1 if i - len(x.shape) in axes else d for i, d in enumerate(x.shape))
        given = [a if g.chance(0.7) else a + len(x.shape) for a in axes]
        if g.opset >= 18:
            return g.node("ReduceMean", [x, g.ints(given, constant=True)], [(x.dtype, dims)])
        return g.node("ReduceMean", [x], [(x.dtype, dims)], axes=given)

    def square(self, x):
        return self.bin("Mul", x, x) if self.g.chance(0.4) else self.bin("Pow", x, 2)

    def activation(self, x):
        g = self.g
        name = g.pick(["Relu", "Sigmoid", "Tanh", "LeakyRelu", "HardSigmoid", "Elu", "Clip", "silu", "none"])
        if name == "none":
            return x
        if name == "Clip":
            low, high = (g.hold(np.array(v, NUMPY[x.dtype]), constant=True) for v in (0, 6))
            return g.node("Clip", [x, low, high], [(x.dtype, x.shape)])
        return self.bin("Mul", x, self.un("Sigmoid", x)) if name == "silu" else self.un(name, x)


@pattern("gelu")
def gelu(g, _):
    m = Maker(g)
    x = m.input(*g.shape(1, 3, False))
    if g.chance(0.4):
        x = m.bin("Add", x, m.weight(x, x.shape[-1]))
    form = g.pick(["erf", "tanh", "quick", "silu", "hard", "mish"])
    if form == "erf":
        inner = m.bin("Div", x, 2 ** 0.5) if g.chance(0.5) else m.bin("Mul", x, 0.5 ** 0.5)
        inner = m.bin("Add", m.un("Erf", inner), 1)
    elif form == "tanh":
        cube = m.bin("Pow", x, 3) if g.chance(0.5) else m.bin("Mul", x, m.bin("Mul", x, x))
        inner = m.bin("Mul", m.bin("Add", x, m.bin("Mul", cube, 0.044715)), (2 / np.pi) ** 0.5)
        inner = m.bin("Add", m.un("Tanh", inner), 1)
    elif form == "hard":
        if g.chance(0.5):
            m.bin("Mul", x, m.un("HardSigmoid", x, alpha=1 / 6, beta=0.5))
            return
        low, high = (g.hold(np.array(v, NUMPY[x.dtype]), constant=True) for v in (0, 6))
        shifted = m.bin("Add", x, 3)
        clipped = g.node("Clip", [shifted, low, high], [(x.dtype, shifted.shape)])
        m.bin("Div", m.bin("Mul", x, clipped), 6)
        return
    elif form == "mish":
        m.bin("Mul", x, m.un("Tanh", m.un("Softplus", x)))
        return
    else:
        m.bin("Mul", x, m.un("Sigmoid", m.bin("Mul", x, 1.702) if form == "quick" else x))
        return
    order = g.int(0, 2)
    if order == 0:
        m.bin("Mul", m.bin("Mul", x, 0.5), inner)
    elif order == 1:
        m.bin("Mul", m.bin("Mul", x, inner), 0.5)
    else:
        m.bin("Mul", x, m.bin("Mul", inner, 0.5))


@pattern("norm")
def norm(g, _):
    """LayerNormalization and RMSNormalization in parts, with or without the sum before them"""
    m = Maker(g)
    x = m.input(*g.shape(2, 4, False))
    if g.chance(0.4):
        x = m.bin("Add", x, m.weight(x, *x.shape[g.int(0, 1):]))
        if g.chance(0.4):
            x = m.bin("Add", x, m.weight(x, x.shape[-1]))
    axes = [-1] if g.chance(0.8) else [-2, -1]
    centred = x
    if g.chance(0.7):
        centred = m.bin("Sub", x, m.mean(x, axes))
    again = m.bin("Sub", x, m.mean(x, axes)) if centred is not x and g.chance(0.15) else centred
    deviation = m.un("Sqrt", m.bin("Add", m.mean(m.square(again), axes), g.pick([1e-5, 1e-3])))
    y = m.bin("Div", centred, deviation) if g.chance(0.6) else \
        m.bin("Mul", centred, m.un("Reciprocal", deviation))
    if g.chance(0.8):
        y = m.bin("Mul", y, m.weight(x, *x.shape[-g.int(1, len(axes)):]))
        if g.chance(0.7):
            m.bin("Add", y, m.weight(x, x.shape[-1]))


@pattern("group_norm")
def group_norm(g, _):
    m = Maker(g)
    groups, per = g.int(1, 3), g.int(1, 3)
    x = m.input(g.int(1, 2), groups * per, g.int(1, 4), g.int(2, 4))
    n, c, h, w = x.shape
    y = m.reshape(x, n, groups, per * h * w, given=[0, groups, -1])
    ones, zeros = (g.hold(np.full(groups, v, NUMPY[x.dtype]), constant=True) for v in (1, 0))
    y = g.node("InstanceNormalization", [y, ones, zeros], [(y.dtype, y.shape)], epsilon=1e-3)
    y = m.reshape(y, n, c, h, w)
    y = m.bin("Add", m.bin("Mul", y, m.weight(x, c, 1, 1)), m.weight(x, c, 1, 1))
    m.activation(y)


def heads_of(m, x, heads, perm, bias):
    """[batch, length, hidden] as [batch, heads, length, size], after a projection"""
    n, length, hidden = x.shape
    y = m.matmul(x, m.weight(x, hidden, hidden, scale=0.3))
    if bias:
        y = m.bin("Add", y, m.weight(x, hidden))
    y = m.reshape(y, n, length, heads, hidden // heads, given=[0, 0, heads, hidden // heads])
    return m.transpose(y, *perm)


def mask_scores(g, m, scores):
    kind = g.pick(["none", "add", "where", "causal"])
    n, _, rows, columns = scores.shape
    if kind == "add":
        mask = np.where(g.rng.random((n, 1, g.pick([1, rows]), columns)) < 0.2, -1e4, 0)
        return m.bin("Add", scores, g.hold(mask.astype(NUMPY[scores.dtype])))
    if kind in ("where", "causal"):
        keep = np.tril(np.ones((1, 1, rows, columns), bool), columns - rows) if kind == "causal" else \
            g.rng.random((1, 1, rows, columns)) < 0.8
        low = g.hold(np.array(-1e4, NUMPY[scores.dtype]), constant=True)
        return g.node("Where", [g.hold(keep), scores, low], [(scores.dtype, scores.shape)])
    return scores


@pattern("attention")
def attention(g, _):
    m = Maker(g)
    heads, size, n, length = g.int(1, 3), g.int(1, 4), g.int(1, 2), g.int(1, 5)
    x = m.input(n, length, heads * size)
    other = m.input(n, g.int(1, 5), heads * size, dtype=x.dtype) if g.chance(0.25) else x
    bias, split_k = g.chance(0.7), g.chance(0.3)
    q = heads_of(m, x, heads, (0, 2, 1, 3), bias)
    k = heads_of(m, other, heads, (0, 2, 1, 3) if split_k else (0, 2, 3, 1), bias)
    v = heads_of(m, other, heads, (0, 2, 1, 3), bias)
    if split_k:
        if g.chance(0.4):
            past = [m.input(n, heads, 2, size, dtype=x.dtype) for _ in range(2)]
            k, v = (g.node("Concat", [p, t], [(x.dtype, (n, heads, t.shape[2] + 2, size))], axis=2)
                    for p, t in zip(past, (k, v)))
        k = m.transpose(k, 0, 1, 3, 2)
    before = g.chance(0.3)
    if before:
        q = m.bin("Mul", q, size ** -0.5)
    scores = m.matmul(q, k)
    if not before:
        scores = m.bin("Div", scores, size ** 0.5) if g.chance(0.5) else m.bin("Mul", scores, size ** -0.5)
    scores = m.un("Softmax", mask_scores(g, m, scores), axis=g.pick([-1, 3]))
    y = m.transpose(m.matmul(scores, v), 0, 2, 1, 3)
    y = m.reshape(y, n, length, heads * size, given=[0, 0, heads * size])
    y = m.bin("Add", m.matmul(y, m.weight(x, heads * size, heads * size, scale=0.3)),
              m.weight(x, heads * size))
    m.bin("Add", y, x)


@pattern("rotary")
def rotary(g, _):
    m = Maker(g)
    n, heads, length, half = g.int(1, 2), g.int(1, 3), g.int(1, 4), g.int(1, 4)
    x = m.input(n, heads, length, 2 * half)
    a, b = g.node("Split", [x, g.ints([half, half], constant=True)], [(x.dtype, (n, heads, length, half))] * 2,
                  axis=-1)
    turned = g.node("Concat", [m.un("Neg", b), a], [(x.dtype, x.shape)], axis=g.pick([-1, 3]))
    cos, sin = m.weight(x, length, 2 * half), m.weight(x, 1, 1, length, 2 * half)
    m.bin("Add", m.bin("Mul", x, cos), m.bin("Mul", turned, sin))


def conv(g, m, x, channels, kernel, **attributes):
    group = attributes.get("group", 1)
    stride = attributes.get("strides", [1, 1])[0]
    pad = kernel // 2
    w = m.weight(x, channels, x.shape[1] // group, kernel, kernel, scale=0.3)
    bias = [m.weight(x, channels)] if g.chance(0.5) else []
    out = [(d + 2 * pad - kernel) // stride + 1 for d in x.shape[2:]]
    if min(out) < 1:
        raise Skip
    return g.node("Conv", [x, w] + bias, [(x.dtype, (x.shape[0], channels, *out))], pads=[pad] * 4, **attributes)


def after_conv(g, m, y):
    c, kind = y.shape[1], g.pick(["bn", "mul", "add", "none"])
    if kind == "bn":
        parts = [g.hold(g.array(y.dtype, (c,), "positive"), constant=g.chance(0.9)) for _ in range(4)]
        return g.node("BatchNormalization", [y] + parts, [(y.dtype, y.shape)], epsilon=1e-3)
    if kind == "none":
        return y
    return m.bin(kind.capitalize(), y, m.weight(y, *g.pick([(c, 1, 1), (1, c, 1, 1), (1,), (1, 1, 1, 1)])))


@pattern("conv_chain")
def conv_chain(g, _):
    m = Maker(g)
    x = m.input(g.int(1, 2), g.pick([1, 3, 4, 8, 16, 17]), g.int(4, 9), g.int(4, 9),
                dtype=g.pick([T.FLOAT, T.FLOAT, T.FLOAT, T.DOUBLE]))
    if g.chance(0.2):
        pads = [0, 0, 1, 1, 0, 0, 1, g.int(0, 1)]
        dims = [d + pads[i] + pads[i + 4] for i, d in enumerate(x.shape)]
        x = g.node("Pad", [x, g.ints(pads, constant=True)], [(x.dtype, dims)])
    y, kept = x, []
    for _ in range(g.int(1, 3)):
        c, kind = y.shape[1], g.pick(["conv", "conv", "pointwise", "depthwise", "pool", "squeeze"])
        if kind == "squeeze":
            gate = g.node("GlobalAveragePool", [y], [(y.dtype, (*y.shape[:2], 1, 1))])
            gate = m.un("Relu", conv(g, m, gate, max(1, c // 2), 1))
            gate = conv(g, m, gate, c, 1)
            y = m.bin("Mul", y, m.un(g.pick(["Sigmoid", "HardSigmoid"]), gate))
            continue
        if kind == "pool":
            out = [d // 2 for d in y.shape[2:]]
            if min(out) < 1:
                raise Skip
            y = g.node(g.pick(["MaxPool", "AveragePool"]), [y], [(y.dtype, (*y.shape[:2], *out))],
                       kernel_shape=[2, 2], strides=[2, 2])
            continue
        many = g.pick([c, 4, 8, 16])
        y = conv(g, m, y, c, 3, group=c) if kind == "depthwise" else \
            conv(g, m, y, many, 1) if kind == "pointwise" else \
            conv(g, m, y, many, 3, strides=[g.int(1, 2)] * 2)
        y = after_conv(g, m, y)
        same = [k for k in kept if k.shape == y.shape]
        if same and g.chance(0.6):
            y = m.bin("Add", y, g.pick(same))
        y = m.activation(y)
        kept.append(y)
    if g.chance(0.3):
        y = g.node("Concat", [y, m.un("Relu", y)], [(y.dtype, (y.shape[0], 2 * y.shape[1], *y.shape[2:]))], axis=1)
        y = conv(g, m, y, 4, 1)
    if g.chance(0.3):
        y = g.node("GlobalAveragePool", [y], [(y.dtype, (*y.shape[:2], 1, 1))])
        y = g.node("Flatten", [y], [(y.dtype, y.shape[:2])])
        n = g.int(1, 5)
        g.node("Gemm", [y, m.weight(y, n, y.shape[1]), m.weight(y, n)], [(y.dtype, (y.shape[0], n))], transB=1)


@pattern("products")
def products(g, _):
    """MatMul and Gemm with what exporters put around them"""
    m = Maker(g)
    x = m.input(*(g.shape(1, 2, False) + (g.int(1, 9),)))
    if g.chance(0.3):
        x = m.transpose(m.input(*x.shape[:-2], x.shape[-1], x.shape[-2], dtype=x.dtype),
                        *range(len(x.shape) - 2), len(x.shape) - 1, len(x.shape) - 2)
    for _ in range(g.int(1, 2)):
        n = g.int(1, 9)
        w = m.weight(x, n, x.shape[-1]) if g.chance(0.3) else m.weight(x, x.shape[-1], n)
        if w.shape[0] == n and w.shape != (x.shape[-1], n):
            w = m.transpose(w, 1, 0)
        y = m.matmul(x, w)
        after = g.pick(["bias", "bias", "scale", "both", "none", "residual"])
        if after in ("scale", "both"):
            y = m.bin(g.pick(["Mul", "Div"]), y, 0.125)
        if after in ("bias", "both"):
            y = m.bin("Add", y, m.weight(x, *g.pick([(n,), (1, n), (1,), ()])))
        if after == "residual":
            y = m.bin("Add", y, m.input(*y.shape, dtype=y.dtype))
        x = m.activation(y)
    if g.chance(0.3):
        x = m.reshape(x, int(np.prod(x.shape[:-1])), x.shape[-1], given=[-1, x.shape[-1]])


@pattern("algebra")
def algebra(g, _):
    """What simplifies, or seems to"""
    m = Maker(g)
    x = m.input(*g.shape(0, 4, False))
    for _ in range(g.int(2, 6)):
        what = g.pick(["Add", "Sub", "Mul", "Div", "Pow", "self", "Neg", "cast", "Identity", "clip", "where",
                       "Relu", "Max", "Abs", "Dropout", "equal", "Sqrt", "Not"])
        if what in ("Add", "Sub", "Mul", "Div"):
            x = m.bin(what, x, g.pick([0, 1, 1, 2, -1] if what != "Div" else [1, 2, 4, -1]))
        elif what == "Pow":
            x = m.bin("Pow", x, g.pick([1, 2, 3]))
        elif what == "self":
            x = m.bin(g.pick(["Add", "Sub", "Mul"]), x, x)
        elif what == "Sqrt":
            x = m.un("Sqrt", m.un("Abs", x))
        elif what == "cast":
            wide = g.node("Cast", [x], [(T.DOUBLE, x.shape)], to=T.DOUBLE)
            x = g.node("Cast", [wide], [(x.dtype, x.shape)], to=int(x.dtype))
        elif what == "clip":
            low, high = (g.hold(np.array(v, NUMPY[x.dtype]), constant=g.chance(0.8))
                         for v in g.pick([(0, 6), (-1, 1), (0, 1)]))
            x = g.node("Clip", [x, low, high], [(x.dtype, x.shape)])
        elif what == "Not":
            positive = g.node("Greater", [x, m.number(x, 0)], [(T.BOOL, x.shape)])
            for _ in range(g.int(1, 2)):
                positive = g.node("Not", [positive], [(T.BOOL, x.shape)])
            x = g.node("Cast", [positive], [(x.dtype, x.shape)], to=int(x.dtype))
        elif what == "where":
            keep = g.hold(np.full(g.pick([(), (1,), x.shape]), g.chance(0.5)), constant=True)
            other = m.number(x, 0)
            x = g.node("Where", [keep, x, other],
                       [(x.dtype, np.broadcast_shapes(keep.shape, x.shape, other.shape))])
        elif what == "equal":
            same = g.node("Equal", [x, m.un("Identity", x)], [(T.BOOL, x.shape)])
            x = g.node("Where", [same, x, m.un("Neg", x)], [(x.dtype, x.shape)])
        elif what == "Max":
            x = m.bin(g.pick(["Max", "Min"]), x, 0)
        else:
            x = m.un(what, x)
        if len(x.shape) > 6:
            raise Skip


@pattern("moves")
def moves(g, _):
    """Chains of what moves elements, part of which cancels out"""
    m = Maker(g)
    x = m.input(*g.shape(2, 4, False), dtype=g.pick([T.FLOAT, T.INT64, T.FLOAT16]))
    first = x
    for _ in range(g.int(2, 6)):
        rank, what = len(x.shape), g.pick(["transpose", "transpose", "reshape", "unsqueeze", "squeeze", "expand",
                                           "slice", "concat", "pad", "back", "Abs", "tile", "reduce", "scale"])
        if what == "transpose":
            x = m.transpose(x, *g.rng.permutation(rank).tolist())
        elif what == "back" and len(first.shape) and np.prod(first.shape) == np.prod(x.shape):
            x = m.reshape(x, *first.shape)
        elif what == "reshape":
            x = m.reshape(x, x.shape[0], int(np.prod(x.shape[1:])), given=[0, -1])
        elif what == "unsqueeze" and rank < 6:
            at = g.int(0, rank)
            x = g.node("Unsqueeze", [x, g.ints([at], constant=True)], [(x.dtype, (*x.shape[:at], 1, *x.shape[at:]))])
        elif what == "squeeze" and 1 in x.shape and rank > 1:
            at = x.shape.index(1)
            x = g.node("Squeeze", [x, g.ints([at], constant=True)], [(x.dtype, (*x.shape[:at], *x.shape[at + 1:]))])
        elif what == "expand":
            dims = [d if d > 1 or g.chance(0.7) else 3 for d in x.shape]
            x = g.node("Expand", [x, g.ints(dims, constant=True)], [(x.dtype, dims)])
        elif what == "slice":
            axis, end = g.int(0, rank - 1), g.pick([2 ** 31 - 1, 2 ** 63 - 1])
            begin = g.int(0, 1) if x.shape[axis] > 1 else 0
            dims = [d - begin if i == axis else d for i, d in enumerate(x.shape)]
            x = g.node("Slice", [x] + [g.ints([v], constant=True) for v in (begin, end, axis)], [(x.dtype, dims)])
        elif what == "concat":
            axis, count = g.int(0, rank - 1), g.int(1, 2)
            dims = [d * count if i == axis else d for i, d in enumerate(x.shape)]
            x = g.node("Concat", [x] * count, [(x.dtype, dims)], axis=axis)
        elif what == "pad":
            pads = [0] * 2 * rank
            if g.chance(0.4):
                pads[g.int(0, 2 * rank - 1)] = 1
            dims = [d + pads[i] + pads[i + rank] for i, d in enumerate(x.shape)]
            x = g.node("Pad", [x, g.ints(pads, constant=True)], [(x.dtype, dims)])
        elif what == "tile":
            repeats = [g.pick([1, 1, 1, 2]) for _ in x.shape]
            x = g.node("Tile", [x, g.ints(repeats, constant=True)],
                       [(x.dtype, [d * r for d, r in zip(x.shape, repeats)])])
        elif what == "reduce" and rank > 1:
            at = g.int(0, rank - 1)
            dims = [1 if i == at else d for i, d in enumerate(x.shape)]
            x = g.node("ReduceSum", [x, g.ints([at - rank], constant=True)], [(x.dtype, dims)])
        elif what == "scale":
            x = m.bin("Mul", x, 2)
        elif what == "Abs":
            x = m.un("Abs", x)
        if np.prod(x.shape) > 5000 or len(x.shape) > 6:
            return


@pattern("shapes")
def shapes(g, _):
    """Arithmetic with shapes that ends in a Reshape, an Expand, a ConstantOfShape or a Slice"""
    m = Maker(g)
    x = m.input(*g.shape(2, 4, False), dtype=T.FLOAT)
    rank = len(x.shape)
    whole = g.node("Shape", [x], [(T.INT64, (rank,))], exact=True)

    def size(i):
        scalar = g.chance(0.5)
        at = g.hold(np.array(i if scalar else [i], np.int64), constant=True)
        one = g.node("Gather", [whole, at], [(T.INT64, () if scalar else (1,))], exact=True, axis=0)
        if g.chance(0.3):
            one = m.bin("Mul", one, g.hold(np.array(2), constant=True))
            one = m.bin("Div", one, g.hold(np.array(2), constant=True))
        return g.node("Unsqueeze", [one, g.ints([0], constant=True)], [(T.INT64, (1,))], exact=True) \
            if one.shape == () else one

    form = g.pick(["reshape", "expand", "fill", "slice", "same"])
    if form == "reshape":
        parts = [size(0), g.ints([-1], constant=True)]
        target = g.node("Concat", parts, [(T.INT64, (2,))], axis=0, exact=True)
        y = g.node("Reshape", [x, target], [(x.dtype, (x.shape[0], int(np.prod(x.shape[1:]))))])
    elif form == "slice":
        y = g.node("Slice", [x, g.ints([0], constant=True), size(1), g.ints([1], constant=True)],
                   [(x.dtype, x.shape)])
    else:
        target = g.node("Concat", [size(i) for i in range(rank)], [(T.INT64, (rank,))], axis=0, exact=True)
        if form == "same":
            y = g.node("Reshape", [x, target], [(x.dtype, x.shape)])
        elif form == "expand":
            y = g.node("Expand", [m.number(x, 1.5), target], [(x.dtype, x.shape)])
        else:
            y = g.node("ConstantOfShape", [target], [(T.FLOAT, x.shape)],
                       value=helper.make_tensor("v", T.FLOAT, [1], [2.5]))
    m.bin(g.pick(["Add", "Mul"]), y, m.number(x, 2))


def scale_zero(g, q, count=None):
    scale = g.hold(np.asarray(g.rng.uniform(0.02, 0.2, count), np.float32), constant=True)
    zero = g.array(q, () if count is None else (count,), "positive")
    return [scale, g.hold(zero * (q == T.UINT8), constant=True)]


def pair(g, x, q):
    """x through QuantizeLinear and DequantizeLinear"""
    parts = scale_zero(g, q)
    low = g.node("QuantizeLinear", [x] + parts, [(q, x.shape)])
    return g.node("DequantizeLinear", [low] + parts, [(T.FLOAT, x.shape)])


@pattern("qdq")
def qdq(g, _):
    m = Maker(g)
    q, kind = g.pick([T.UINT8, T.INT8]), g.pick(["conv", "matmul", "gemm", "add", "move", "pool", "concat"])
    dims = (1, g.pick([1, 3, 8]), g.int(3, 6), g.int(3, 6)) if kind in ("conv", "pool") else \
        (g.int(1, 5), g.int(1, 9))
    x = pair(g, m.input(*dims, dtype=T.FLOAT), q)
    if kind in ("conv", "matmul", "gemm"):
        n = g.int(1, 6)
        shape = (n, dims[1], 3, 3) if kind == "conv" else (dims[1], n)
        channel = g.chance(0.5)
        axis = 0 if kind == "conv" else 1
        w = g.node("DequantizeLinear", [g.new(T.INT8, shape, constant=True)] + scale_zero(
            g, T.INT8, n if channel else None), [(T.FLOAT, shape)], axis=axis if channel else None)
        if kind == "conv":
            out = [d - 2 for d in dims[2:]]
            bias = [m.weight(x, n)] if g.chance(0.5) else []
            y = g.node("Conv", [x, w] + bias, [(T.FLOAT, (1, n, *out))])
        elif kind == "gemm":
            y = g.node("Gemm", [x, w, m.weight(x, n)], [(T.FLOAT, (dims[0], n))])
        else:
            y = m.matmul(x, w)
            if g.chance(0.5):
                y = m.bin("Add", y, m.weight(x, n))
        y = m.activation(y)
    elif kind == "add":
        y = m.bin(g.pick(["Add", "Mul"]), x, pair(g, m.input(*dims, dtype=T.FLOAT), q))
    elif kind == "concat":
        y = g.node("Concat", [x, pair(g, m.input(*dims, dtype=T.FLOAT), q)], [(T.FLOAT, (dims[0], dims[1] * 2))],
                   axis=1)
    elif kind == "pool":
        y = g.node("MaxPool", [x], [(T.FLOAT, (*dims[:2], dims[2] - 1, dims[3] - 1))], kernel_shape=[2, 2]) \
            if g.chance(0.5) else g.node("GlobalAveragePool", [x], [(T.FLOAT, (*dims[:2], 1, 1))])
    else:
        y = m.transpose(x, 1, 0) if g.chance(0.5) else m.reshape(x, int(np.prod(dims)))
    if g.chance(0.8):
        pair(g, y, q)


@pattern("dynamic_quantize")
def dynamic_quantize(g, _):
    m = Maker(g)
    k, n = g.int(1, 9), g.int(1, 9)
    x = m.input(g.int(1, 5), k, dtype=T.FLOAT)
    low, scale, zero = g.node("DynamicQuantizeLinear", [x], [(T.UINT8, x.shape), (T.FLOAT, ()), (T.UINT8, ())])
    w, w_zero = g.new(T.INT8, (k, n), constant=True), g.new(T.INT8, (), constant=True)
    y = g.node("MatMulInteger", [low, w, zero, w_zero], [(T.INT32, (x.shape[0], n))])
    y = g.node("Cast", [y], [(T.FLOAT, y.shape)], to=T.FLOAT)
    y = m.bin("Mul", y, m.bin("Mul", scale, m.number(x, 0.05)))
    if g.chance(0.7):
        m.bin("Add", y, m.weight(x, n))


@pattern("twins")
def twins(g, _):
    """The same work twice, and almost the same"""
    m = Maker(g)
    x = m.input(*g.shape(2, 3, False))
    weights = [m.weight(x, x.shape[-1], 3)]
    weights.append(g.hold(weights[0].array.copy(), constant=True))
    results = [m.activation(m.matmul(x, w)) for w in weights for _ in range(g.int(1, 2))]
    ops = [m.un(g.pick(["Exp", "Exp", "Tanh"]), x) for _ in range(3)]
    y = results[0]
    for r in results[1:]:
        if r.shape == y.shape:
            y = m.bin("Add", y, r)
    m.bin("Add", ops[0], m.bin("Mul", ops[1], ops[2]))
    g.pending = y


@pattern("control")
def control(g, _):
    """If and Loop whose conditions and counts are constants, with values of the graph around them"""
    m = Maker(g)
    x, info = m.input(*g.shape(1, 3, False), dtype=T.FLOAT), helper.make_tensor_value_info
    p = g.fresh("p")
    if g.chance(0.5):
        outer = m.un("Tanh", x)
        graphs = []
        for branch, op in (("t", "Exp"), ("e", "Abs")):
            nodes = [helper.make_node(op, [outer.name], [p + branch + "1"]),
                     helper.make_node("Add", [p + branch + "1", x.name], [p + branch])]
            graphs.append(helper.make_graph(nodes, branch, [], [info(p + branch, T.FLOAT, None)]))
        condition = g.hold(np.array(g.chance(0.5)), constant=g.chance(0.8))
        g.node("If", [condition], [(T.FLOAT, x.shape)], then_branch=graphs[0], else_branch=graphs[1])
        return
    nodes = [helper.make_node("Identity", [p + "c"], [p + "c2"]),
             helper.make_node("Add", [p + "s", x.name], [p + "s1"]),
             helper.make_node("Tanh", [p + "s1"], [p + "s2"])]
    if g.chance(0.3):
        nodes[0] = helper.make_node("Less", [p + "i", g.hold(np.array(2), constant=True).name], [p + "c2"])
    body = helper.make_graph(
        nodes, "body", [info(p + "i", T.INT64, []), info(p + "c", T.BOOL, []), info(p + "s", T.FLOAT, None)],
        [info(p + "c2", T.BOOL, []), info(p + "s2", T.FLOAT, None)])
    count = g.hold(np.array(g.int(0, 3)), constant=g.chance(0.8))
    g.node("Loop", [count, g.hold(np.array(g.chance(0.9)), constant=g.chance(0.8)), m.un("Abs", x)],
           [(T.FLOAT, x.shape)], body=body)


PATTERNS = sorted(k for k in GENERATORS if k.startswith("pattern:"))
