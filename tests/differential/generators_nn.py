"""Generators: convolution, pooling, normalisation, products, recurrent and quantised operators, signal
processing, losses, control flow and sequences."""
import numpy as np
from onnx import TensorProto as T
from onnx import helper

from builder import FLOATS, Skip, tensor_types
from generators_basic import generator


def windows(g, spatial, kernel=None):
    """Attributes of a window, and the sizes that come out (None when auto_pad decides)"""
    n = len(spatial)
    kernel = kernel or [g.int(1, min(4, s)) for s in spatial]
    attributes = {"kernel_shape": kernel}
    strides, dilations, pads = [1] * n, [1] * n, [0] * 2 * n
    if g.chance(0.6):
        strides = attributes["strides"] = [g.int(1, 3) for _ in range(n)]
    if g.chance(0.3):
        dilations = attributes["dilations"] = [g.int(1, 2) for _ in range(n)]
    auto = g.pick(["NOTSET", "NOTSET", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"])
    if auto != "NOTSET":
        attributes["auto_pad"] = auto
        if auto.startswith("SAME"):
            attributes.pop("dilations", None)
            if any(a > b for a, b in zip(strides, kernel)):
                raise Skip  # padding would be negative
            return attributes, None
    elif g.chance(0.6):
        pads = attributes["pads"] = [g.int(0, k - 1) for k in kernel] + [g.int(0, k - 1) for k in kernel]
    out = [(s + pads[i] + pads[i + n] - dilations[i] * (kernel[i] - 1) - 1) // strides[i] + 1
           for i, s in enumerate(spatial)]
    if min(out) < 1:
        raise Skip
    return attributes, out


def image(g, types, channels=None, ranks=(1, 2, 2, 2, 3), **more):
    value = g.pending
    if value is not None and channels is None and value.shape is not None and \
            3 <= len(value.shape) <= 5 and 0 not in value.shape and value.dtype in types:
        g.pending = None
        return value
    n = g.pick(ranks)
    spatial = tuple(g.pick([1, 3, 4, 5, 7, 8, 9, 12, 15]) if n < 3 else g.int(2, 5) for _ in range(n))
    return g.data(types, dims=(g.int(1, 2), channels or g.int(1, 8)) + spatial, **more)


@generator("Conv", follow=True)
def conv(g, schema):
    x = image(g, tensor_types(schema, "in", 0))
    channels = x.shape[1]
    group = g.pick([d for d in range(1, channels + 1) if channels % d == 0]) if g.chance(0.4) else 1
    out_channels = group * g.int(1, max(1, 12 // group))
    attributes, out = windows(g, x.shape[2:])
    w = g.new(x.dtype, (out_channels, channels // group) + tuple(attributes["kernel_shape"]),
              constant=g.chance(0.8))
    bias = [g.new(x.dtype, (out_channels,))] if g.chance(0.5) else []
    if g.chance(0.3):
        del attributes["kernel_shape"]
    shape = None if out is None else (x.shape[0], out_channels, *out)
    g.node("Conv", [x, w] + bias, [(x.dtype, shape)], group=group if group > 1 else None, **attributes)


@generator("ConvTranspose")
def conv_transpose(g, schema):
    x = image(g, tensor_types(schema, "in", 0))
    group = 2 if x.shape[1] % 2 == 0 and g.chance(0.3) else 1
    n = len(x.shape) - 2
    kernel = [g.int(1, 3) for _ in range(n)]
    strides = [g.int(1, 3) for _ in range(n)]
    attributes = {"strides": strides, "kernel_shape": kernel}
    if g.chance(0.5):
        attributes["pads"] = [g.int(0, (k - 1) // 2) for k in kernel] * 2
    if g.chance(0.3):
        attributes["output_padding"] = [g.int(0, s - 1) for s in strides]
    if g.chance(0.2):
        attributes["dilations"] = [g.int(1, 2) for _ in range(n)]
    w = g.new(x.dtype, (x.shape[1], g.int(1, 5), *kernel))
    bias = [g.new(x.dtype, (w.shape[1] * group,))] if g.chance(0.4) else []
    g.node("ConvTranspose", [x, w] + bias, [(x.dtype, None)], group=group, **attributes)


@generator("ConvInteger", "QLinearConv")
def conv_integer(g, schema):
    x = image(g, [T.UINT8, T.INT8], dtype=g.pick([T.UINT8, T.INT8]))
    attributes, out = windows(g, x.shape[2:])
    m = g.int(1, 8)
    w = g.new(g.pick([T.UINT8, T.INT8]), (m, x.shape[1]) + tuple(attributes["kernel_shape"]))
    zero_x, zero_w = g.new(x.dtype, (), constant=True), g.new(w.dtype, (), constant=True)
    shape = None if out is None else (x.shape[0], m, *out)
    if schema.name == "ConvInteger":
        g.node("ConvInteger", [x, w] + g.pick([[], [zero_x], [zero_x, zero_w]]), [(T.INT32, shape)],
               exact=True, **attributes)
        return
    scales = [g.hold(np.array(g.rng.uniform(0.01, 0.1), np.float32), constant=True) for _ in range(2)]
    scale_y = g.hold(np.array(g.rng.uniform(0.5, 1), np.float32), constant=True)
    zero_y = g.new(x.dtype, (), constant=True)
    bias = [g.new(T.INT32, (m,))] if g.chance(0.5) else []
    g.node("QLinearConv", [x, scales[0], zero_x, w, scales[1], zero_w, scale_y, zero_y] + bias,
           [(x.dtype, shape)], **attributes)


@generator("MaxPool", "AveragePool", "LpPool", follow=True)
def pool(g, schema):
    version, name = schema.since_version, schema.name
    x = image(g, tensor_types(schema, "in", 0), exact=name == "MaxPool" and g.chance(0.3))
    attributes, out = windows(g, x.shape[2:])
    if "dilations" in attributes and "dilations" not in schema.attributes:
        raise Skip
    if name == "LpPool" and "dilations" in attributes:
        raise Skip
    if "ceil_mode" in schema.attributes and g.chance(0.3) and "auto_pad" not in attributes:
        attributes["ceil_mode"] = 1
        out = None
    if name == "AveragePool" and version >= 7 and g.chance(0.4):
        attributes["count_include_pad"] = 1
    if name == "LpPool":
        attributes["p"] = g.int(1, 3) if version >= 2 else 2.0
        if version < 2:
            raise Skip
    shape = None if out is None else x.shape[:2] + tuple(out)
    outputs = [(x.dtype, shape)]
    if name == "MaxPool" and version >= 8 and g.chance(0.2) and x.exact and "auto_pad" not in attributes:
        outputs.append((T.INT64, shape))
        x.array[...] = g.rng.permutation(x.array.size).reshape(x.shape) % 120
        if x.array.size > 120:
            outputs.pop()
    g.node(name, [x], outputs, exact=x.exact and name == "MaxPool", **attributes)


@generator("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool", follow=True)
def global_pool(g, schema):
    x = image(g, tensor_types(schema, "in", 0))
    p = g.int(1, 3) if schema.name == "GlobalLpPool" and schema.since_version >= 2 else None
    g.node(schema.name, [x], [(x.dtype, x.shape[:2] + (1,) * (len(x.shape) - 2))], p=p)


@generator("MaxRoiPool")
def max_roi_pool(g, schema):
    x = image(g, [T.FLOAT], ranks=(2,))
    h, w = x.shape[2:]
    rois = [[g.int(0, x.shape[0] - 1), 0, 0, w - 1, h - 1] for _ in range(g.int(1, 3))]
    g.node("MaxRoiPool", [x, g.hold(np.array(rois, np.float32))], [(x.dtype, None)],
           pooled_shape=[g.int(1, 2), g.int(1, 2)], spatial_scale=1.0)


@generator("RoiAlign")
def roi_align(g, schema):
    x = image(g, [T.FLOAT], ranks=(2,))
    count = g.int(1, 3)
    corner = g.rng.uniform(0, 2, (count, 2))
    rois = np.concatenate([corner, corner + g.rng.uniform(1, 4, (count, 2))], 1).astype(np.float32)
    batch = g.hold(g.rng.integers(0, x.shape[0], count).astype(np.int64))
    mode = {"coordinate_transformation_mode": g.pick(["half_pixel", "output_half_pixel"])} \
        if schema.since_version >= 16 else {}
    g.node("RoiAlign", [x, g.hold(rois), batch], [(x.dtype, None)], output_height=g.int(1, 3),
           output_width=g.int(1, 3), sampling_ratio=g.int(1, 2), spatial_scale=1.0, **mode)


@generator("GridSample")
def grid_sample(g, schema):
    x = image(g, [T.FLOAT], ranks=(2,))
    grid = g.hold(g.rng.uniform(-1.2, 1.2, (x.shape[0], g.int(1, 4), g.int(1, 4), 2)).astype(np.float32))
    modes = ["bilinear", "nearest"] if schema.since_version < 20 else ["linear", "nearest"]
    g.node("GridSample", [x, grid], [(x.dtype, None)], mode=g.pick(modes),
           padding_mode=g.pick(["zeros", "border", "reflection"]), align_corners=g.int(0, 1))


@generator("AffineGrid")
def affine_grid(g, schema):
    n, h, w = g.int(1, 2), g.int(1, 4), g.int(1, 4)
    theta = g.data([T.FLOAT, T.DOUBLE], dims=(n, 2, 3))
    g.node("AffineGrid", [theta, g.ints([n, 3, h, w])], [(theta.dtype, (n, h, w, 2))],
           align_corners=g.int(0, 1))


@generator("Col2Im")
def col_to_image(g, schema):
    h, w, bh, bw = g.int(3, 6), g.int(3, 6), g.int(1, 3), g.int(1, 3)
    c = g.int(1, 3)
    blocks = (h - bh + 1) * (w - bw + 1)
    x = g.data([T.FLOAT, T.DOUBLE], dims=(g.int(1, 2), c * bh * bw, blocks))
    g.node("Col2Im", [x, g.ints([h, w]), g.ints([bh, bw])], [(x.dtype, (x.shape[0], c, h, w))])


@generator("NonMaxSuppression")
def non_max_suppression(g, schema):
    n = g.int(1, 6)
    corner = g.rng.uniform(0, 4, (1, n, 2))
    boxes = np.concatenate([corner, corner + g.rng.uniform(0.5, 3, (1, n, 2))], 2).astype(np.float32)
    scores = g.rng.random((1, g.int(1, 2), n)).astype(np.float32)
    g.node("NonMaxSuppression",
           [g.hold(boxes), g.hold(scores), g.hold(np.array([g.int(1, 4)], np.int64)),
            g.hold(np.array([0.4], np.float32)), g.hold(np.array([0.1], np.float32))],
           [(T.INT64, None)], exact=True)


# ------------------------------------------------------------------ normalisation


@generator("BatchNormalization", follow=True)
def batch_norm(g, schema):
    if schema.since_version < 7:
        x = image(g, [T.FLOAT])
        extra = {"is_test": 1}
    else:
        x = g.data(tensor_types(schema, "in", 0), low=2, high=5, zero=False)
        extra = {}
    c = (x.shape[1],)
    others = [g.new(x.dtype, c, "positive" if i == 3 else None, constant=True) for i in range(4)]
    g.node("BatchNormalization", [x] + others, [(x.dtype, x.shape)],
           epsilon=g.pick([None, 1e-3]), **extra)


@generator("InstanceNormalization", "GroupNormalization", "LRN", "MeanVarianceNormalization", follow=True)
def image_norm(g, schema):
    name = schema.name
    x = image(g, tensor_types(schema, "in", 0), ranks=(2,) if name in (
        "LRN", "MeanVarianceNormalization") else (1, 2, 3))
    if name in ("LRN", "MeanVarianceNormalization") and len(x.shape) != 4:
        raise Skip
    if name == "MeanVarianceNormalization" and (x.array is None or min(x.shape[2:]) < 2):
        raise Skip  # of channels that are all the same it leaves only what rounding left
    out = [(x.dtype, x.shape)]
    if name == "LRN":
        g.node(name, [x], out, size=g.pick([1, 3, 5]), alpha=0.01, beta=0.5, bias=g.pick([None, 2.0]))
    elif name == "MeanVarianceNormalization":
        g.node(name, [x], out)
    elif name == "InstanceNormalization":
        g.node(name, [x] + [g.new(x.dtype, (x.shape[1],)) for _ in range(2)], out, epsilon=1e-3)
    else:
        groups = g.pick([d for d in range(1, x.shape[1] + 1) if x.shape[1] % d == 0])
        size = groups if schema.since_version < 21 else x.shape[1]
        # Not too large: a group of one element leaves nothing but rounding for the scale.
        g.node(name, [x] + [g.new(x.dtype, (size,), "unit") for _ in range(2)], out, num_groups=groups,
               epsilon=1e-3)


@generator("LayerNormalization", "RMSNormalization", "LpNormalization", follow=True)
def layer_norm(g, schema):
    name = schema.name
    types = [t for t in tensor_types(schema, "in", 0) if t != T.BFLOAT16]
    x = g.data(types, low=1, high=5, zero=False)
    given, axis = g.axis(len(x.shape))
    if name == "LpNormalization":
        g.node(name, [x], [(x.dtype, x.shape)], axis=given, p=g.int(1, 2))
        return
    scale = g.new(x.dtype, x.shape[axis:])
    bias = [g.new(x.dtype, x.shape[axis:])] if name[0] == "L" and g.chance(0.6) else []
    g.node(name, [x, scale] + bias, [(x.dtype, x.shape)], axis=given, epsilon=1e-3)


# ------------------------------------------------------------------ products


@generator("MatMul", "MatMulInteger", follow=True)
def matmul(g, schema):
    integer = schema.name == "MatMulInteger"
    a = g.data(tensor_types(schema, "in", 0), low=1, high=5)
    k, rank = a.shape[-1], len(a.shape)
    if g.chance(0.15):
        dims, out = (k,), a.shape[:-1]
    else:
        n = g.dim()
        lead = a.shape[:-2] if rank > 2 and g.chance(0.6) else ()
        lead = tuple(1 if g.chance(0.3) else d for d in lead)
        dims, out = lead + (k, n), a.shape[:-1] + (n,) if rank > 1 else (n,)
    if integer:
        b = g.new(g.pick([T.UINT8, T.INT8]), dims)
        zeros = g.pick([[], [g.new(a.dtype, ())], [g.new(a.dtype, ()), g.new(b.dtype, ())]])
        g.node("MatMulInteger", [a, b] + zeros, [(T.INT32, out)], exact=True)
    else:
        b = g.new(a.dtype, dims)
        g.node("MatMul", [a, b], [(a.dtype, out)])


@generator("Gemm", follow=True)
def gemm(g, schema):
    types = tensor_types(schema, "in", 0)
    a = g.data(types, low=2, high=2)
    trans_a, trans_b = g.int(0, 1), g.int(0, 1)
    m, k = a.shape[::-1] if trans_a else a.shape
    n = g.dim()
    b = g.new(a.dtype, (n, k) if trans_b else (k, n))
    attributes = {"transA": trans_a or None, "transB": trans_b or None}
    if a.dtype in FLOATS:
        attributes.update(alpha=g.pick([None, 0.5]), beta=g.pick([None, 0.25]))
    inputs = [a, b]
    if schema.since_version < 7:
        inputs.append(g.new(a.dtype, (m, n)))
    elif schema.since_version < 11 or g.chance(0.7):
        inputs.append(g.new(a.dtype, g.pick([(m, n), (n,), (1, n), (m, 1), (), (1,)])))
    g.node("Gemm", inputs, [(a.dtype, (m, n))], **attributes)


@generator("QLinearMatMul")
def qlinear_matmul(g, schema):
    types = [T.UINT8, T.INT8]
    m, k, n = g.int(1, 9), g.int(1, 20), g.int(1, 9)
    a, b = g.new(g.pick(types), (m, k)), g.new(T.INT8, (k, n))
    y = a.dtype
    scale = [g.hold(np.array(v, np.float32)) for v in (0.03, 0.05, 0.9)]
    zeros = [g.new(t, ()) for t in (a.dtype, b.dtype, y)]
    g.node("QLinearMatMul", [a, scale[0], zeros[0], b, scale[1], zeros[1], scale[2], zeros[2]],
           [(y, (m, n))])


@generator("Einsum")
def einsum(g, schema):
    equation = g.pick(["ij,jk->ik", "bij,bjk->bik", "ij->ji", "ii->i", "i,j->ij", "ij,ij->", "...ij->...ji",
                       "bhid,bhjd->bhij", "ij,jk,kl->il", "ij->i", "bij,bj->bi"])
    size = {c: g.int(1, 5) for c in "bhijkld"}
    dtype = g.pick([t for t in (T.FLOAT, T.DOUBLE, T.INT32) if t in tensor_types(schema, "in", 0)])
    inputs = []
    for term in equation.split("->")[0].split(","):
        lead = (2, 3) if "..." in term else ()
        inputs.append(g.new(dtype, lead + tuple(size[c] for c in term.replace("...", ""))))
    g.node("Einsum", inputs, [(dtype, None)], equation=equation)


@generator("Det")
def det(g, schema):
    n = g.int(1, 5)
    x = g.data([T.FLOAT, T.DOUBLE], dims=g.shape(0, 2, False) + (n, n))
    g.node("Det", [x], [(x.dtype, x.shape[:-2])])


# ------------------------------------------------------------------ quantisation


@generator("QuantizeLinear", "DequantizeLinear")
def quantize(g, schema):
    down = schema.name == "QuantizeLinear"
    x_types, q_types = tensor_types(schema, "in", 0), tensor_types(schema, "in", 2)
    dims = g.shape(1, 4, False)
    float_type = T.FLOAT
    if not down and schema.since_version >= 19 and g.chance(0.3):
        float_type = g.pick([t for t in tensor_types(schema, "in", 1)
                             if t in (T.FLOAT, T.FLOAT16)])
    q = g.pick(q_types if down else x_types)
    x = g.data([float_type], dims=dims) if down else g.new(q, dims)
    axis, attributes = None, {}
    shape = ()
    if schema.since_version >= 13 and g.chance(0.5):
        given, axis = g.axis(len(dims))
        attributes["axis"] = given
        shape = (dims[axis],)
        if schema.since_version >= 21 and g.chance(0.3):
            block = g.pick([d for d in range(1, dims[axis] + 1) if dims[axis] % d == 0])
            attributes["block_size"] = block
            shape = tuple(d // block if i == axis else d for i, d in enumerate(dims))
    scale = g.hold((2.0 ** g.rng.integers(-3, 2, shape)).astype(
        np.float16 if float_type == T.FLOAT16 else np.float32))
    inputs = [x, scale]
    if q not in (T.UINT8,) or g.chance(0.5):
        zero = g.new(q, shape, "positive")
        if q in (T.FLOAT8E4M3FN, T.FLOAT8E4M3FNUZ, T.FLOAT8E5M2, T.FLOAT8E5M2FNUZ, T.FLOAT4E2M1, T.INT32):
            zero.array[...] = 0
        inputs.append(zero)
    g.node(schema.name, inputs, [(q if down else float_type, dims)], **attributes)


@generator("DynamicQuantizeLinear")
def dynamic_quantize(g, schema):
    x = g.data([T.FLOAT], low=1, exact=True, zero=False)
    g.node("DynamicQuantizeLinear", [x], [(T.UINT8, x.shape), (T.FLOAT, ()), (T.UINT8, ())])


# ------------------------------------------------------------------ recurrent


@generator("RNN", "GRU", "LSTM")
def recurrent(g, schema):
    name = schema.name
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[name]
    direction = g.pick(["forward", "reverse", "bidirectional"])
    d = 2 if direction == "bidirectional" else 1
    seq, batch, size, hidden = g.int(1, 5), g.int(1, 3), g.int(1, 5), g.int(1, 6)
    dtype = T.FLOAT
    x = g.data([dtype], dims=(seq, batch, size))
    inputs = [x, g.new(dtype, (d, gates * hidden, size), "unit"),
              g.new(dtype, (d, gates * hidden, hidden), "unit")]
    inputs.append(g.new(dtype, (d, 2 * gates * hidden)) if g.chance(0.6) else None)
    inputs.append(g.hold(g.rng.integers(1, seq + 1, batch).astype(np.int32)) if g.chance(0.4) else None)
    inputs.append(g.new(dtype, (d, batch, hidden)) if g.chance(0.5) else None)
    outputs = [(dtype, (seq, d, batch, hidden)), (dtype, (d, batch, hidden))]
    attributes = {"hidden_size": hidden, "direction": direction}
    if name == "LSTM":
        inputs.append(g.new(dtype, (d, batch, hidden)) if g.chance(0.5) else None)
        inputs.append(g.new(dtype, (d, 3 * hidden)) if g.chance(0.3) else None)
        outputs.append(outputs[1])
    elif name == "GRU" and schema.since_version >= 3 and g.chance(0.5):
        attributes["linear_before_reset"] = 1
    if g.chance(0.2):
        attributes["clip"] = 0.8
    g.node(name, inputs, outputs, **attributes)


# ------------------------------------------------------------------ signals


@generator("HannWindow", "HammingWindow", "BlackmanWindow")
def window(g, schema):
    n = g.int(2, 20)
    to = g.pick([None, T.FLOAT, T.DOUBLE])
    g.node(schema.name, [g.hold(np.array(n, np.int64))], [(to or T.FLOAT, (n,))],
           periodic=g.int(0, 1), output_datatype=int(to) if to else None)


@generator("DFT")
def dft(g, schema):
    n = g.int(1, 20)
    x = g.data([T.FLOAT, T.DOUBLE], dims=(g.int(1, 3), n, g.int(1, 3), g.int(1, 2)))
    if schema.since_version >= 20:
        g.node("DFT", [x, None, g.hold(np.array(1, np.int64))], [(x.dtype, None)])
    else:
        g.node("DFT", [x], [(x.dtype, None)], axis=1)


@generator("STFT")
def stft(g, schema):
    frame, step = g.int(2, 8), g.int(1, 4)
    x = g.data([T.FLOAT, T.DOUBLE], dims=(g.int(1, 2), frame + g.int(0, 12), 1))
    g.node("STFT", [x, g.hold(np.array(step, np.int64)), None, g.hold(np.array(frame, np.int64))],
           [(x.dtype, None)], onesided=1)


@generator("MelWeightMatrix")
def mel(g, schema):
    values = [np.array(v, np.int64) for v in (g.int(3, 8), 16, 8192)]
    limits = [np.array(v, np.float32) for v in (0, 4096)]
    g.node("MelWeightMatrix", [g.hold(v) for v in values + limits], [(T.FLOAT, None)])


# ------------------------------------------------------------------ losses


@generator("NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss")
def loss(g, schema):
    n, c = g.int(1, 4), g.int(2, 5)
    rest = g.shape(0, 2, False)
    x = g.data([T.FLOAT], dims=(n, c) + rest)
    target = g.hold(g.rng.integers(0, c, (n,) + rest).astype(np.int64))
    weight = [g.new(T.FLOAT, (c,), "positive")] if g.chance(0.5) else []
    ignore = g.int(0, c - 1) if g.chance(0.3) else None
    reduction = g.pick(["none", "sum", "mean"])
    if reduction == "mean" and ignore is not None:
        ignore = None
    outputs = [(T.FLOAT, (n,) + rest if reduction == "none" else ())]
    if schema.name[0] == "S" and g.chance(0.3):
        outputs.append((T.FLOAT, x.shape))
    g.node(schema.name, [x, target] + weight, outputs, reduction=reduction, ignore_index=ignore)


# ------------------------------------------------------------------ control flow


def body(g, x, op, extra_inputs=(), extra_nodes=(), extra_outputs=()):
    node = helper.make_node(op, [x], ["body_y"])
    return helper.make_graph([*extra_nodes, node], "body", list(extra_inputs),
                             [*extra_outputs, helper.make_tensor_value_info("body_y", T.FLOAT, None)])


@generator("If")
def if_(g, schema):
    x = g.data([T.FLOAT], high=4)
    condition = g.hold(np.array(g.chance(0.5)))
    branches = [body(g, x.name, g.pick(["Abs", "Exp", "Sigmoid", "Relu"])) for _ in range(2)]
    for i, branch in enumerate(branches):  # names are unique in a model
        name = g.fresh("b")
        branch.node[0].output[0] = branch.output[0].name = name
        branch.name = f"branch{i}"
    g.node("If", [condition], [(T.FLOAT, x.shape)], then_branch=branches[0], else_branch=branches[1])


@generator("Loop")
def loop(g, schema):
    if schema.since_version < 11:
        raise Skip
    x = g.data([T.FLOAT], high=3)
    trips = g.int(0, 4)
    info = helper.make_tensor_value_info
    p = g.fresh("l")
    nodes = [helper.make_node("Identity", [p + "c"], [p + "c2"]),
             helper.make_node(g.pick(["Tanh", "Abs", "Sigmoid"]), [p + "s"], [p + "s2"]),
             helper.make_node("Identity", [p + "s2"], [p + "o"])]
    graph = helper.make_graph(
        nodes, "body", [info(p + "i", T.INT64, []), info(p + "c", T.BOOL, []), info(p + "s", T.FLOAT, None)],
        [info(p + "c2", T.BOOL, []), info(p + "s2", T.FLOAT, None), info(p + "o", T.FLOAT, None)])
    g.node("Loop", [g.hold(np.array(trips, np.int64)), g.hold(np.array(True)), x],
           [(T.FLOAT, x.shape), (T.FLOAT, None)], body=graph)


@generator("Scan")
def scan(g, schema):
    if schema.since_version < 9:
        raise Skip
    dims = g.shape(1, 3, False)
    x = g.data([T.FLOAT], dims=dims)
    state = g.new(T.FLOAT, dims[1:])
    info = helper.make_tensor_value_info
    p = g.fresh("s")
    nodes = [helper.make_node("Add", [p + "s", p + "x"], [p + "s2"]),
             helper.make_node("Identity", [p + "s2"], [p + "o"])]
    graph = helper.make_graph(
        nodes, "body", [info(p + "s", T.FLOAT, dims[1:]), info(p + "x", T.FLOAT, dims[1:])],
        [info(p + "s2", T.FLOAT, dims[1:]), info(p + "o", T.FLOAT, dims[1:])])
    g.node("Scan", [state, x], [(T.FLOAT, dims[1:]), (T.FLOAT, dims)], num_scan_inputs=1, body=graph)


# ------------------------------------------------------------------ random (shapes only)


@generator("RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli",
           "Multinomial")
def random(g, schema):
    name = schema.name
    shape = g.shape(1, 3, False)
    if name == "Multinomial":
        x = g.new(T.FLOAT, (2, 3))
        y = g.node(name, [x], [(T.INT32, (2, 4))], sample_size=4)
    elif name == "Bernoulli":
        y = g.node(name, [g.hold(g.rng.random(shape).astype(np.float32))], [(T.FLOAT, shape)])
    elif name.endswith("Like"):
        y = g.node(name, [g.new(T.FLOAT, shape)], [(T.FLOAT, shape)])
    else:
        y = g.node(name, [], [(T.FLOAT, shape)], shape=list(shape))
    g.shape_only.add(y.name)
    g.pending = None


# ------------------------------------------------------------------ sequences and text


def sequence_type(dtype):
    return helper.make_sequence_type_proto(helper.make_tensor_type_proto(dtype, None))


@generator("SequenceConstruct", "SequenceAt", "SequenceLength", "SequenceInsert", "SequenceErase",
           "ConcatFromSequence", "SplitToSequence", "SequenceEmpty")
def sequence(g, schema):
    name = schema.name
    dtype = g.pick([T.FLOAT, T.INT64, T.INT32])
    if name == "SplitToSequence":
        x = g.data([dtype], low=1, high=3, zero=False)
        given, axis = g.axis(len(x.shape))
        g.node(name, [x], [sequence_type(x.dtype)], axis=given, keepdims=g.int(0, 1))
        g.pending = None
        return
    if name == "SequenceEmpty":
        s = g.node(name, [], [sequence_type(dtype)], dtype=int(dtype))
        g.node("SequenceLength", [s], [(T.INT64, ())], exact=True)
        return
    dims = g.shape(1, 3, False)
    count = g.int(1, 4)
    s = g.node("SequenceConstruct", [g.new(dtype, dims) for _ in range(count)], [sequence_type(dtype)])
    at = g.hold(np.array(g.int(-count, count - 1), g.pick([np.int64, np.int32])))
    g.pending = None
    if name == "SequenceAt":
        g.node(name, [s, at], [(dtype, dims)], exact=True)
    elif name == "SequenceLength":
        g.node(name, [s], [(T.INT64, ())], exact=True)
    elif name == "SequenceInsert":
        g.node(name, [s, g.new(dtype, dims)] + ([at] if g.chance(0.6) else []), [sequence_type(dtype)])
        g.pending = None
    elif name == "SequenceErase":
        g.node(name, [s] + ([at] if g.chance(0.6) else []), [sequence_type(dtype)])
        g.pending = None
    elif name == "ConcatFromSequence":
        given, _ = g.axis(len(dims))
        g.node(name, [s], [(dtype, None)], axis=given, new_axis=g.int(0, 1))


@generator("StringConcat", "StringSplit", "StringNormalizer", "RegexFullMatch")
def text(g, schema):
    name = schema.name
    dims = (g.int(1, 4),) if name == "StringNormalizer" else g.shape(0, 3)
    x = g.new(T.STRING, dims)
    if name == "StringConcat":
        other, shape = g.broadcast_partner(dims)
        g.node(name, [x, g.new(T.STRING, other)], [(T.STRING, shape)])
    elif name == "StringSplit":
        if 0 in dims:
            raise Skip
        g.node(name, [x], [(T.STRING, None), (T.INT64, dims)], delimiter=g.pick([None, " ", ","]),
               maxsplit=g.pick([None, 1, 2]))
    elif name == "RegexFullMatch":
        g.node(name, [x], [(T.BOOL, dims)], pattern=g.pick(["[a-z]*", "a|b", r"\w+@\w+\.org", ".*,.*"]))
    else:
        g.node(name, [x], [(T.STRING, None)], case_change_action=g.pick(["NONE", "LOWER", "UPPER"]),
               is_case_sensitive=1, stopwords=["a"])
    g.pending = None
