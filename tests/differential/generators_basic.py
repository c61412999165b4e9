"""Generators: elementwise operators, reductions and operators that move elements.

A generator takes the graph and the schema and adds one node. GENERATORS maps an operator's name to its
generator; FOLLOW lists those that may stand on the result of another."""
import numpy as np
from onnx import TensorProto as T

from builder import (FLOATS, INTS, NARROW, SUB_BYTE, UINTS, COMPLEX, Skip, tensor_types)

GENERATORS, FOLLOW = {}, []


def generator(*names, follow=False):
    def add(function):
        for name in names:
            GENERATORS[name] = function
            if follow:
                FOLLOW.append(name)
        return function
    return add


def float_attributes(g, schema, names):
    return {n: round(float(g.rng.uniform(0.1, 2)), 3) for n in names
            if n in schema.attributes and g.chance(0.5)}


STYLES = {"Log": "positive", "Sqrt": "positive", "Acosh": "above", "Asin": "unit", "Acos": "unit",
          "Atanh": "unit", "Reciprocal": "positive", "Tan": "unit"}
STEPS = {"Floor", "Ceil", "Round", "Sign", "IsNaN", "IsInf", "Shrink", "ThresholdedRelu"}


@generator("Abs", "Neg", "Floor", "Ceil", "Round", "Sqrt", "Exp", "Log", "Reciprocal", "Sin", "Cos",
           "Asin", "Acos", "Atan", "Sinh", "Cosh", "Tanh", "Asinh", "Acosh", "Atanh", "Erf", "Relu", "Tan",
           "Sigmoid", "Softplus", "Softsign", "Not", "BitwiseNot", "IsNaN", "IsInf", "Identity", "Elu",
           "Selu", "Celu", "LeakyRelu", "ThresholdedRelu", "HardSigmoid", "HardSwish", "Mish", "Swish",
           "Gelu", "Shrink", "Sign", follow=True)
def unary(g, schema):
    x = g.data(tensor_types(schema, "in", 0), style=STYLES.get(schema.name),
               exact=schema.name in STEPS)
    if schema.name == "Erf" and x.dtype not in FLOATS:
        raise Skip  # whether it is rounded or cut is not said
    if schema.name in ("IsNaN", "IsInf") and x.array is not None and x.array.size and \
            x.dtype in FLOATS:
        x.array.flat[0] = g.pick([np.nan, np.inf, -np.inf])
    attributes = float_attributes(g, schema, ["alpha", "beta", "gamma", "lambd", "bias"])
    if schema.name == "Gelu" and g.chance(0.5):
        attributes["approximate"] = "tanh"
    if schema.name == "IsInf" and g.chance(0.5):
        attributes["detect_negative"] = g.int(0, 1)
    dtype = T.BOOL if schema.name in ("IsNaN", "IsInf") else x.dtype
    g.node(schema.name, [x], [(dtype, x.shape)], exact=x.exact and (
        schema.name in STEPS or schema.name in ("Abs", "Neg", "Relu", "Identity", "Not")),
        **attributes)


COMPARE = {"Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual"}


@generator("Add", "Sub", "Mul", "Div", "And", "Or", "Xor", "Equal", "Less", "Greater", "LessOrEqual",
           "GreaterOrEqual", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitShift", "PRelu", "Pow", "Mod",
           follow=True)
def binary(g, schema):
    name, version = schema.name, schema.since_version
    types = tensor_types(schema, "in", 0)
    a = g.data(types, exact=name in COMPARE or name == "Mod",
               style="positive" if name == "Pow" else None)
    other, shape = g.broadcast_partner(a.shape)
    attributes = {}
    if name == "PRelu":
        if len(other) > len(a.shape) or (version < 7 and len(a.shape) < 2):
            raise Skip
        if version < 7:
            other = g.pick([(1,), (a.shape[1],)])
        shape = a.shape
    elif version < 7 and name != "Mod":
        if g.chance(0.4):
            other = a.shape
        else:
            if not a.shape:
                raise Skip
            start = g.int(0, len(a.shape) - 1)
            end = g.int(start + 1, len(a.shape))
            other = a.shape[start:end]
            attributes["broadcast"] = 1
            if end != len(a.shape) or g.chance(0.3):
                attributes["axis"] = start
        shape = a.shape
    style = None
    if name in ("Div", "Mod", "Pow"):
        style = "positive"
    if name == "BitShift":
        style = "positive"
        attributes["direction"] = g.pick(["LEFT", "RIGHT"])
    if name == "Mod" and a.dtype in FLOATS:
        attributes["fmod"] = 1
    elif name == "Mod" and g.chance(0.4):
        attributes["fmod"] = g.int(0, 1)
    dtype = a.dtype
    if name == "Pow" and version >= 12 and a.dtype in FLOATS and g.chance(0.3):
        dtype = g.dtype(tensor_types(schema, "in", 1))
    if name == "Pow" and (a.dtype in INTS | UINTS and dtype in FLOATS):
        raise Skip
    b = g.new(dtype, other, style)
    if name == "Div" and a.dtype in INTS and a.array is not None:
        np.clip(a.array, np.iinfo(a.array.dtype).min + 1, None, out=a.array)
    inputs = [a, b]
    if version >= 7 and name in ("Add", "Mul", "Sub", "And", "Or", "Xor", "Equal", "Less") and \
            g.chance(0.3):
        inputs = [b, a]
    out = T.BOOL if name in COMPARE else a.dtype
    g.node(name, inputs, [(out, shape)], exact=a.exact and out not in FLOATS, **attributes)


@generator("Max", "Min", "Sum", "Mean", follow=True)
def variadic(g, schema):
    a = g.data(tensor_types(schema, "in", 0))
    shape, inputs = a.shape, [a]
    for _ in range(g.int(0, 3)):
        other = shape
        if schema.since_version >= 8:
            other, shape = g.broadcast_partner(shape)
        inputs.append(g.new(a.dtype, other))
    g.node(schema.name, inputs, [(a.dtype, shape)])


@generator("Where", follow=True)
def where(g, schema):
    a = g.data(tensor_types(schema, "in", 1))
    other, shape = g.broadcast_partner(a.shape)
    third, shape = g.broadcast_partner(shape)
    b, condition = g.new(a.dtype, other), g.new(T.BOOL, third)
    g.node("Where", [condition] + g.pick([[a, b], [b, a]]), [(a.dtype, shape)], exact=a.exact)


@generator("Clip", follow=True)
def clip(g, schema):
    x = g.data(tensor_types(schema, "in", 0))
    if schema.since_version < 11:
        g.node("Clip", [x], [(x.dtype, x.shape)], min=g.pick([None, -1.0]), max=g.pick([None, 1.5]))
        return
    low = g.hold(g.array(x.dtype, (), "positive") * 0 + 1) if g.chance(0.6) else None
    high = g.hold(g.array(x.dtype, (), "positive") * 0 + 3) if g.chance(0.6) else None
    if any(v is not None and v.dtype != x.dtype for v in (low, high)):
        raise Skip
    g.node("Clip", [x, low, high], [(x.dtype, x.shape)], exact=x.exact)


CAST_FROM = FLOATS | INTS | UINTS | {T.BOOL}


@generator("Cast", "CastLike", follow=True)
def cast(g, schema):
    x = g.data(tensor_types(schema, "in", 0), exact=True)
    types = tensor_types(schema, "out", 0)
    to = g.dtype(types, 0.2)
    if T.STRING in (x.dtype, to):
        raise Skip  # how numbers are written differs between references; tests/ops has them
    if x.array is not None and x.dtype in FLOATS and to not in FLOATS:
        x.array[...] = np.clip(x.array.astype(np.float32), -100, 100).astype(x.array.dtype)
        if to in UINTS:
            x.array[...] = abs(x.array)
    elif x.array is None and to not in FLOATS:
        raise Skip
    if to in SUB_BYTE or (x.dtype in FLOATS | NARROW and to in NARROW and x.array is None):
        if x.array is None or x.dtype not in INTS | UINTS:
            raise Skip
        x.array[...] = g.rng.integers(0, 2, x.array.shape)
    saturate = None
    if "saturate" in schema.attributes and g.chance(0.3) and to in NARROW:
        saturate = 1
    if schema.name == "Cast":
        if schema.since_version < 6:
            names = {T.FLOAT: "FLOAT", T.DOUBLE: "DOUBLE", T.INT32: "INT32", T.INT64: "INT64"}
            if to not in names:
                raise Skip
            g.node("Cast", [x], [(to, x.shape)], to=names[to])
        else:
            g.node("Cast", [x], [(to, x.shape)], to=int(to), saturate=saturate, exact=x.exact)
    else:
        g.node("CastLike", [x, g.new(to, g.shape(0, 2))], [(to, x.shape)], saturate=saturate,
               exact=x.exact)


@generator("BitCast")
def bit_cast(g, schema):
    x = g.data([t for t in tensor_types(schema, "in", 0) if t in INTS | UINTS], exact=True)
    width = x.array.dtype.itemsize if x.array is not None else None
    same = {1: [T.INT8, T.UINT8], 2: [T.INT16, T.UINT16], 4: [T.INT32, T.UINT32],
            8: [T.INT64, T.UINT64]}.get(width)
    to = g.pick(same or [])
    g.node("BitCast", [x], [(to, x.shape)], to=int(to), exact=True)


@generator("Dropout", follow=True)
def dropout(g, schema):
    x = g.data(tensor_types(schema, "in", 0))
    outputs = [(x.dtype, x.shape)]
    attributes = {"is_test": 1} if schema.since_version < 7 else {}
    if schema.since_version >= 12 and g.chance(0.5):
        outputs.append((T.BOOL, x.shape))
        g.node("Dropout", [x, g.hold(np.float32(0.4))], outputs)
    else:
        g.node("Dropout", [x], outputs, **attributes)


# ------------------------------------------------------------------ reductions


def reduced(shape, axes, keep):
    axes = set(axes) if axes is not None else set(range(len(shape)))
    return tuple(1 if i in axes else d for i, d in enumerate(shape) if keep or i not in axes)


@generator("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2",
           "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare", follow=True)
def reduce(g, schema):
    name = schema.name
    style = {"ReduceLogSum": "positive", "ReduceProd": "unit"}.get(name)
    x = g.data(tensor_types(schema, "in", 0), style=style, zero=name not in ("ReduceMean", "ReduceMax",
                                                                            "ReduceMin"))
    rank, axes, given = len(x.shape), None, None
    if rank and g.chance(0.8):
        axes = sorted(g.rng.choice(rank, g.int(1, rank), replace=False).tolist())
        given = [a - rank if g.chance(0.3) and schema.since_version >= 11 else a for a in axes]
    keep = g.chance(0.5)
    attributes = {} if keep and g.chance(0.5) else {"keepdims": int(keep)}
    inputs = [x]
    if len(schema.inputs) > 1:
        if given is not None:
            inputs.append(g.ints(given))
        elif g.chance(0.3):
            inputs.append(g.ints([]))
            if g.chance(0.5):
                attributes["noop_with_empty_axes"] = 1
                axes = []
                if name != "ReduceSum":
                    raise Skip  # what it does to single elements differs between versions
    elif given is not None:
        attributes["axes"] = given
    g.node(name, inputs, [(x.dtype, reduced(x.shape, axes, keep))], **attributes)


@generator("ArgMax", "ArgMin", follow=True)
def arg(g, schema):
    x = g.data(tensor_types(schema, "in", 0), low=1, exact=True, zero=False)
    given, axis = g.axis(len(x.shape))
    if schema.since_version < 11:
        given = axis
    keep = g.int(0, 1)
    last = g.int(0, 1) if schema.since_version >= 12 else None
    g.node(schema.name, [x], [(T.INT64, reduced(x.shape, [axis], keep))], axis=given, keepdims=keep,
           select_last_index=last, exact=True)


@generator("CumSum", "CumProd")
def cumulate(g, schema):
    style = "unit" if schema.name == "CumProd" else None
    x = g.data(tensor_types(schema, "in", 0), low=1, style=style)
    given, _ = g.axis(len(x.shape))
    axis = g.hold(np.array(given, g.pick([np.int32, np.int64])))
    g.node(schema.name, [x, axis], [(x.dtype, x.shape)], exclusive=g.int(0, 1), reverse=g.int(0, 1))


@generator("TopK")
def top_k(g, schema):
    x = g.data(tensor_types(schema, "in", 0), low=1, exact=True)
    given, axis = g.axis(len(x.shape))
    k = g.int(0 if g.chance(0.1) else min(1, x.shape[axis]), x.shape[axis])
    shape = tuple(k if i == axis else d for i, d in enumerate(x.shape))
    attributes = {"axis": given if schema.since_version >= 11 else axis}
    if schema.since_version >= 11:
        attributes.update(largest=g.int(0, 1), sorted=1)
    inputs = [x]
    if schema.since_version < 10:
        if not k:
            raise Skip
        attributes["k"] = k
    else:
        inputs.append(g.ints([k]))
    if x.array is not None and x.array.size and x.dtype in FLOATS | INTS and x.dtype != T.INT8:
        x.array[...] = g.rng.permutation(x.array.size).reshape(x.array.shape)  # no ties
    elif x.array is None:
        raise Skip
    g.node("TopK", inputs, [(x.dtype, shape), (T.INT64, shape)], exact=True, **attributes)


@generator("Softmax", "LogSoftmax", "Hardmax", follow=True)
def softmax(g, schema):
    x = g.data(tensor_types(schema, "in", 0), low=1, exact=schema.name == "Hardmax", zero=False)
    given, axis = g.axis(len(x.shape))
    given = given if schema.since_version >= 11 else axis
    if g.chance(0.2):
        given = None
        if schema.since_version < 13 and len(x.shape) < 2:
            raise Skip
    g.node(schema.name, [x], [(x.dtype, x.shape)], axis=given)


# ------------------------------------------------------------------ movement


@generator("Transpose", follow=True)
def transpose(g, schema):
    x = g.data(tensor_types(schema, "in", 0))
    perm = g.rng.permutation(len(x.shape)).tolist()
    given = perm
    if not perm or g.chance(0.2):
        perm, given = list(reversed(range(len(x.shape)))), None
    g.node("Transpose", [x], [(x.dtype, [x.shape[p] for p in perm])], perm=given, exact=x.exact)


def other_shape(g, shape):
    """Some shape with as many elements"""
    n, dims = int(np.prod(shape)), []
    while n > 1 and len(dims) < 7:
        factors = [f for f in range(2, min(n, 64) + 1) if n % f == 0] or [n]
        factor = g.pick(factors)
        dims.append(factor)
        n //= factor
        if g.chance(0.3):
            break
    return dims + [n]


@generator("Reshape", follow=True)
def reshape(g, schema):
    x = g.data(tensor_types(schema, "in", 0))
    dims = other_shape(g, x.shape) if np.prod(x.shape) else list(x.shape)
    given = list(dims)
    if given and np.prod(x.shape) and g.chance(0.5):
        given[g.int(0, len(given) - 1)] = -1
    for i, d in enumerate(given):
        if i < len(x.shape) and d == x.shape[i] and (g.chance(0.5) or d == 0):
            given[i] = 0
    if schema.since_version < 5:
        g.node("Reshape", [x], [(x.dtype, dims)], shape=given, exact=x.exact)
    else:
        g.node("Reshape", [x, g.ints(given)], [(x.dtype, dims)], exact=x.exact)


@generator("Flatten", follow=True)
def flatten(g, schema):
    x = g.data(tensor_types(schema, "in", 0), low=1)
    axis = g.int(-len(x.shape) if schema.since_version >= 11 else 0, len(x.shape))
    at = axis + len(x.shape) if axis < 0 else axis
    shape = (int(np.prod(x.shape[:at])), int(np.prod(x.shape[at:])))
    g.node("Flatten", [x], [(x.dtype, shape)], axis=axis, exact=x.exact)


@generator("Squeeze", "Unsqueeze", follow=True)
def squeeze(g, schema):
    x = g.data(tensor_types(schema, "in", 0), high=6)
    new = schema.since_version >= 11
    if schema.name == "Squeeze":
        ones = [i for i, d in enumerate(x.shape) if d == 1]
        axes = [a for a in ones if g.chance(0.7)]
        rank = len(x.shape)
        shape = tuple(d for i, d in enumerate(x.shape) if i not in axes)
        given = [a - rank if new and g.chance(0.3) else a for a in axes]
        if len(axes) == len(ones) and g.chance(0.3):
            given = None
        elif not axes:
            raise Skip
    else:
        rank = len(x.shape) + g.int(1, 2)
        axes = sorted(g.rng.choice(rank, rank - len(x.shape), replace=False).tolist())
        rest = iter(x.shape)
        shape = tuple(1 if i in axes else next(rest) for i in range(rank))
        given = [a - rank if new and g.chance(0.3) else a for a in axes]
    if schema.since_version >= 13:
        g.node(schema.name, [x] + ([g.ints(given)] if given is not None else []),
               [(x.dtype, shape)], exact=x.exact)
    else:
        g.node(schema.name, [x], [(x.dtype, shape)], axes=given, exact=x.exact)


@generator("Concat", follow=True)
def concat(g, schema):
    x = g.data(tensor_types(schema, "in", 0), low=1)
    given, axis = g.axis(len(x.shape))
    if schema.since_version < 11:
        given = axis
    inputs, total = [x], x.shape[axis]
    for _ in range(g.int(0, 3)):
        size = g.dim() if np.prod(x.shape) < 200 else 1
        total += size
        inputs.append(g.new(x.dtype, tuple(size if i == axis else d for i, d in enumerate(x.shape))))
    if g.chance(0.1):
        inputs.append(x)
        total += x.shape[axis]
    g.rng.shuffle(inputs)
    shape = tuple(total if i == axis else d for i, d in enumerate(x.shape))
    default = schema.since_version < 4 and axis == 1 and g.chance(0.5)
    g.node("Concat", inputs, [(x.dtype, shape)], axis=None if default else given, exact=x.exact)


@generator("Split", follow=True)
def split(g, schema):
    x = g.data(tensor_types(schema, "in", 0), low=1, zero=False)
    given, axis = g.axis(len(x.shape))
    version = schema.since_version
    if version < 11:
        given = axis
    size = x.shape[axis]
    parts = []
    while sum(parts) < size and len(parts) < 4:
        parts.append(g.int(1, size - sum(parts)))
    parts[-1] += size - sum(parts)
    even = [size // n for n in range(1, 5) if size % n == 0]
    inputs, attributes = [x], {"axis": given}
    if g.chance(0.4):
        part = g.pick(even)
        parts = [part] * (size // part)
        if len(parts) > 6:
            raise Skip
        if version >= 18:
            attributes["num_outputs"] = len(parts)
    elif version >= 13:
        inputs.append(g.ints(parts))
    else:
        attributes["split"] = parts
    shapes = [tuple(p if i == axis else d for i, d in enumerate(x.shape)) for p in parts]
    g.node("Split", inputs, [(x.dtype, s) for s in shapes], exact=x.exact, **attributes)


@generator("Slice", follow=True)
def slice_(g, schema):
    x = g.data(tensor_types(schema, "in", 0), low=1)
    rank = len(x.shape)
    axes = g.rng.choice(rank, g.int(1, rank), replace=False).tolist()
    starts, ends, steps = [], [], []
    shape = list(x.shape)
    for a in axes:
        d = x.shape[a]
        step = g.pick([1, 1, 2, 3, -1, -2]) if schema.since_version >= 10 else 1
        start = g.int(-d - 2, d + 2)
        end = g.pick([g.int(-d - 2, d + 2), 2**31 - 1 if step > 0 else -2**31])
        starts.append(start), ends.append(end), steps.append(step)
        begin = max(0, start + d if start < 0 else start) if step > 0 else \
            max(-1, start + d if start < 0 else start)
        stop = end + d if end < 0 else end
        lo, hi = (0, d) if step > 0 else (-1, d - 1)
        begin, stop = min(max(begin, 0 if step > 0 else -1), hi), min(max(stop, lo), hi if step < 0 else d)
        if step < 0 and start + (d if start < 0 else 0) < 0:
            raise Skip  # NumPy and the specification clamp differently
        shape[a] = len(range(begin, stop, step))
    given = [a - rank if g.chance(0.3) and schema.since_version >= 10 else a for a in axes]
    if schema.since_version < 10:
        leave = axes == list(range(len(axes)))
        g.node("Slice", [x], [(x.dtype, shape)], starts=starts, ends=ends,
               axes=None if leave and g.chance(0.5) else given, exact=x.exact)
        return
    kind = g.pick([np.int64, np.int32])
    g.node("Slice", [x, g.ints(starts, kind), g.ints(ends, kind), g.ints(given, kind),
                     g.ints(steps, kind)], [(x.dtype, shape)], exact=x.exact)


def indices(g, limit, shape, negative=True):
    if limit == 0:
        raise Skip
    kind = g.pick([np.int64, np.int32])
    return g.hold(g.rng.integers(-limit if negative else 0, limit, shape).astype(kind))


@generator("Gather", "GatherElements", follow=True)
def gather(g, schema):
    x = g.data(tensor_types(schema, "in", 0), low=1, high=5)
    given, axis = g.axis(len(x.shape))
    if schema.since_version < 11:
        given = axis
    negative = schema.since_version >= 11
    if schema.name == "Gather":
        shape = g.shape(0, 2)
        i = indices(g, x.shape[axis], shape, negative)
        out = x.shape[:axis] + shape + x.shape[axis + 1:]
    else:
        out = tuple(g.int(1, 5) if n == axis else g.int(min(d, 1), d) for n, d in enumerate(x.shape))
        i = indices(g, x.shape[axis], out)
    g.node(schema.name, [x, i], [(x.dtype, out)], axis=given, exact=x.exact)


@generator("GatherND")
def gather_nd(g, schema):
    x = g.data(tensor_types(schema, "in", 0), low=1, high=5, zero=False)
    batch = g.int(0, len(x.shape) - 1) if schema.since_version >= 12 and g.chance(0.4) else 0
    depth = g.int(1, len(x.shape) - batch)
    lead = x.shape[:batch] + g.shape(0, 2, False)
    parts = [g.rng.integers(-d, d, lead) for d in x.shape[batch:batch + depth]]
    i = g.hold(np.stack(parts, -1))
    g.node("GatherND", [x, i], [(x.dtype, lead + x.shape[batch + depth:])], exact=x.exact,
           batch_dims=batch or None)


@generator("ScatterElements", "Scatter")
def scatter_elements(g, schema):
    x = g.data(tensor_types(schema, "in", 0), low=1, high=4, zero=False)
    given, axis = g.axis(len(x.shape))
    shape = tuple(g.int(1, d) for d in x.shape)
    i = np.argsort(g.rng.random(x.shape), axis)[tuple(slice(s) for s in shape)]
    reduction = None
    if schema.since_version >= 16 and x.dtype in FLOATS | INTS and g.chance(0.6):
        reduction = g.pick(["add", "mul"] + (["max", "min"] if schema.since_version >= 18 else []))
    if schema.name == "Scatter" or schema.since_version < 13:
        given = axis if schema.name == "Scatter" else given
    g.node(schema.name, [x, g.hold(i.astype(np.int64)), g.new(x.dtype, shape)], [(x.dtype, x.shape)],
           axis=given, reduction=reduction)


@generator("ScatterND")
def scatter_nd(g, schema):
    x = g.data(tensor_types(schema, "in", 0), low=1, high=4, zero=False)
    depth = g.int(1, len(x.shape))
    head = x.shape[:depth]
    count = g.int(1, min(6, int(np.prod(head))))
    flat = g.rng.choice(int(np.prod(head)), count, replace=False)
    i = np.stack(np.unravel_index(flat, head), -1).astype(np.int64)
    if g.chance(0.3):
        i -= np.array(head) * (g.rng.random(i.shape) < 0.5)
    reduction = None
    if schema.since_version >= 16 and x.dtype in FLOATS | INTS and g.chance(0.6):
        reduction = g.pick(["add", "mul"] + (["max", "min"] if schema.since_version >= 18 else []))
    g.node("ScatterND", [x, g.hold(i), g.new(x.dtype, (count,) + x.shape[depth:])],
           [(x.dtype, x.shape)], reduction=reduction)


@generator("Expand", follow=True)
def expand(g, schema):
    x = g.data(tensor_types(schema, "in", 0), high=5)
    shape = [g.int(1, 4) if d == 1 else d for d in x.shape]
    given = [1 if g.chance(0.2) else d for d in shape]
    out = np.broadcast_shapes(x.shape, tuple(given))
    if g.chance(0.3) and np.prod(out) < 500:
        given = [g.int(1, 3)] + given
        out = np.broadcast_shapes(x.shape, tuple(given))
    g.node("Expand", [x, g.ints(given)], [(x.dtype, out)], exact=x.exact)


@generator("Tile")
def tile(g, schema):
    x = g.data(tensor_types(schema, "in", 0), low=1, high=5)
    if schema.since_version < 6:
        given, axis = g.axis(len(x.shape))
        times = g.int(1, 3)
        shape = [d * times if i == axis else d for i, d in enumerate(x.shape)]
        g.node("Tile", [x, g.hold(np.array(times, np.float32 if x.dtype == T.FLOAT else None))],
               [(x.dtype, shape)])
        raise Skip
    repeats = [g.int(0 if g.chance(0.1) else 1, 3) for _ in x.shape]
    g.node("Tile", [x, g.ints(repeats)], [(x.dtype, [d * r for d, r in zip(x.shape, repeats)])],
           exact=x.exact)


@generator("Pad", follow=True)
def pad(g, schema):
    version = schema.since_version
    x = g.data(tensor_types(schema, "in", 0), low=1, high=5, zero=False)
    mode = g.pick(["constant", "constant", "reflect", "edge"] + (["wrap"] if version >= 19 else []))
    rank = len(x.shape)
    most = [d - 1 if mode == "reflect" else d if mode == "wrap" else 4 for d in x.shape]
    pads = [g.int(0, min(3, m)) for m in most] + [g.int(0, min(3, m)) for m in most]
    if mode == "constant" and version >= 2 and g.chance(0.2):
        at = g.int(0, rank - 1)
        pads[at] = -g.int(0, x.shape[at] - 1)
    shape = [d + pads[i] + pads[i + rank] for i, d in enumerate(x.shape)]
    if version < 11:
        name = "paddings" if version < 2 else "pads"
        g.node("Pad", [x], [(x.dtype, shape)], mode=mode, value=g.pick([None, 1.5]), **{name: pads})
        return
    inputs = [x, g.ints(pads)]
    if mode == "constant" and g.chance(0.5):
        inputs.append(g.new(x.dtype, ()))
    if version >= 18 and g.chance(0.4) and mode == "constant":
        axes = g.rng.choice(rank, g.int(1, rank), replace=False).tolist()
        pads = [pads[a] for a in axes] + [pads[a + rank] for a in axes]
        shape = [d + pads[axes.index(i)] + pads[axes.index(i) + len(axes)] if i in axes else d
                 for i, d in enumerate(x.shape)]
        inputs = [x, g.ints(pads), inputs[2] if len(inputs) > 2 else None,
                  g.ints([a - rank if g.chance(0.3) else a for a in axes])]
    g.node("Pad", inputs, [(x.dtype, shape)], mode=mode, exact=x.exact)


@generator("Shape", "Size", follow=True)
def shape_(g, schema):
    x = g.data(tensor_types(schema, "in", 0))
    attributes, shape = {}, (len(x.shape),)
    if schema.name == "Size":
        shape = ()
    elif schema.since_version >= 15:
        attributes = {k: v for k, v in (("start", g.int(-len(x.shape), 9)),
                                           ("end", g.int(-len(x.shape), 9)))
                      if g.chance(0.4)}
        shape = (len(range(*slice(attributes.get("start"), attributes.get("end"))
                           .indices(len(x.shape)))),)
    g.node(schema.name, [x], [(T.INT64, shape)], exact=True, **attributes)


@generator("Range")
def range_(g, schema):
    dtype = g.pick([T.INT64, T.INT32, T.INT16, T.FLOAT, T.DOUBLE])
    start, delta, count = g.int(-20, 20), g.pick([-3, -1, 1, 2, 5]), g.int(0, 20)
    limit = start + delta * count
    kind = {T.INT64: np.int64, T.INT32: np.int32, T.INT16: np.int16, T.FLOAT: np.float32,
            T.DOUBLE: np.float64}[dtype]
    g.node("Range", [g.hold(np.array(v, kind)) for v in (start, limit, delta)], [(dtype, (count,))],
           exact=True)


@generator("ConstantOfShape", "Constant")
def constant(g, schema):
    shape = g.shape(0, 4)
    dtype = g.dtype([t for t in tensor_types(schema, "out", 0)
                     if t in FLOATS | INTS | UINTS | {T.BOOL}])
    from onnx import numpy_helper
    if schema.name == "Constant":
        value = numpy_helper.from_array(g.array(dtype, shape))
        g.node("Constant", [], [(dtype, shape)], value=value, exact=True)
    else:
        value = numpy_helper.from_array(g.array(dtype, (1,)))
        g.node("ConstantOfShape", [g.ints(list(shape))], [(dtype, shape)], value=value, exact=True)


@generator("EyeLike")
def eye_like(g, schema):
    x = g.data([t for t in tensor_types(schema, "in", 0)], low=2, high=2)
    to = g.dtype(tensor_types(schema, "out", 0)) if g.chance(0.5) else None
    g.node("EyeLike", [x], [(to or x.dtype, x.shape)], k=g.pick([None, g.int(-4, 4)]),
           dtype=int(to) if to else None, exact=True)


@generator("Trilu", follow=True)
def trilu(g, schema):
    x = g.data(tensor_types(schema, "in", 0), low=2)
    k = g.hold(np.array(g.int(-4, 4), np.int64)) if g.chance(0.6) else None
    g.node("Trilu", [x, k], [(x.dtype, x.shape)], upper=g.pick([None, 0, 1]), exact=x.exact)


@generator("DepthToSpace", "SpaceToDepth")
def depth_to_space(g, schema):
    block, (n, c, h, w) = g.int(1, 3), [g.int(1, 4) for _ in range(4)]
    deep, wide = (n, c * block * block, h, w), (n, c, h * block, w * block)
    to_space = schema.name == "DepthToSpace"
    x = g.data(tensor_types(schema, "in", 0), dims=deep if to_space else wide)
    mode = g.pick(["DCR", "CRD"]) if "mode" in schema.attributes and g.chance(0.6) else None
    g.node(schema.name, [x], [(x.dtype, wide if to_space else deep)], blocksize=block, mode=mode,
           exact=x.exact)


@generator("NonZero", "Unique", "Compress")
def data_dependent(g, schema):
    x = g.data([t for t in tensor_types(schema, "in", 0) if t not in COMPLEX], low=1, high=4, exact=True)
    given, axis = g.axis(len(x.shape))
    if schema.name == "NonZero":
        g.node("NonZero", [x], [(T.INT64, None)], exact=True)
    elif schema.name == "Unique":
        axis = given if g.chance(0.5) else None
        if 0 in x.shape:
            raise Skip
        g.node("Unique", [x], [(x.dtype, None)] + [(T.INT64, None)] * 3, axis=axis,
               sorted=g.pick([None, 1]), exact=True)
    else:
        flat = g.chance(0.3)
        size = int(np.prod(x.shape)) if flat else x.shape[axis]
        condition = g.hold(g.rng.random(g.int(0, size)) < 0.5)
        given = given if schema.since_version >= 11 else axis
        g.node("Compress", [x, condition], [(x.dtype, None)], axis=None if flat else given, exact=True)


@generator("OneHot")
def one_hot(g, schema):
    depth = g.int(1, 6)
    shape = g.shape(1, 3)
    i = g.hold(g.rng.integers(-depth - 1, depth + 1, shape).astype(g.pick([np.int64, np.int32])))
    values = g.new(g.pick([T.FLOAT, T.INT64, T.INT32]), (2,))
    given = g.int(-len(shape) - 1, len(shape))
    axis = given + len(shape) + 1 if given < 0 else given
    out = shape[:axis] + (depth,) + shape[axis:]
    g.node("OneHot", [i, g.hold(np.array(depth, np.int64)), values], [(values.dtype, out)], axis=given,
           exact=True)


@generator("ReverseSequence")
def reverse_sequence(g, schema):
    x = g.data([t for t in tensor_types(schema, "in", 0)], low=2, high=5, zero=False)
    time = g.int(0, 1)
    lengths = g.hold(g.rng.integers(1, x.shape[time] + 1, x.shape[1 - time]).astype(np.int64))
    g.node("ReverseSequence", [x, lengths], [(x.dtype, x.shape)], time_axis=time, batch_axis=1 - time,
           exact=x.exact)


@generator("CenterCropPad")
def center_crop_pad(g, schema):
    x = g.data(tensor_types(schema, "in", 0), low=1, high=4, zero=False)
    rank = len(x.shape)
    axes = sorted(g.rng.choice(rank, g.int(1, rank), replace=False).tolist())
    sizes = [g.int(1, 9) for _ in axes]
    shape = [sizes[axes.index(i)] if i in axes else d for i, d in enumerate(x.shape)]
    given = None if len(axes) == rank and g.chance(0.5) else \
        [a - rank if g.chance(0.3) else a for a in axes]
    g.node("CenterCropPad", [x, g.ints(sizes)], [(x.dtype, shape)], axes=given, exact=x.exact)


@generator("Upsample", "Resize")
def resize(g, schema):
    version = schema.since_version
    types = [t for t in tensor_types(schema, "in", 0) if t in (T.FLOAT, T.DOUBLE, T.FLOAT16, T.UINT8)]
    dims = g.shape(2, 4, False)
    mode = g.pick(["nearest", "nearest", "linear"])
    if mode == "linear" and version < 13:
        dims = (1, g.int(1, 3)) + dims[-2:]
    x = g.data(types, dims=dims, dtype=T.FLOAT if mode == "linear" else None)
    scales = [1.0 if i < len(dims) - 2 else g.pick([1.0, 2.0, 1.5, 3.0, 0.5]) for i in range(len(dims))]
    if schema.name == "Upsample":
        scales = [max(s, 1.0) for s in scales]
        if version < 7:
            if len(dims) != 4:
                raise Skip
            g.node("Upsample", [x], [(x.dtype, None)], height_scale=scales[2], width_scale=scales[3],
                   mode="nearest" if mode == "nearest" else "bilinear")
        elif version < 9:
            g.node("Upsample", [x], [(x.dtype, None)], scales=scales, mode=mode)
        else:
            g.node("Upsample", [x, g.hold(np.array(scales, np.float32), constant=True)],
                   [(x.dtype, None)], mode=mode)
        return
    s = g.hold(np.array(scales, np.float32), constant=True)
    if version < 11:
        g.node("Resize", [x, s], [(x.dtype, None)], mode=mode)
        return
    attributes = {"mode": mode, "coordinate_transformation_mode": g.pick(
        ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"])}
    if mode == "nearest":
        attributes["nearest_mode"] = g.pick(["round_prefer_floor", "floor", "ceil", "round_prefer_ceil"])
    if version >= 18 and g.chance(0.3) and mode == "linear":
        attributes["antialias"] = 1
    roi = g.hold(np.zeros(0, np.float32), constant=True) if version < 13 else None
    if g.chance(0.4):
        sizes = [max(1, int(d * k)) for d, k in zip(dims, scales)]
        empty = g.hold(np.zeros(0, np.float32), constant=True) if version < 13 else None
        g.node("Resize", [x, roi, empty, g.ints(sizes, constant=True)], [(x.dtype, sizes)], **attributes)
    else:
        g.node("Resize", [x, roi, s], [(x.dtype, None)], **attributes)
