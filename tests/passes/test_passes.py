#!/usr/bin/env python3
"""Every pass of the optimiser on a small graph: which operators are left, that results stay what
they were (corten verify at every level), and the reason that is told where a fusion must not
apply. Graphs are written in ONNX's text form; weights are random."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy
import onnx
from onnx import numpy_helper, parser

CORTEN = pathlib.Path(os.environ.get("CORTEN_BUILD", "build")) / "corten"
LEVELS = ("basic", "extended", "layout", "all")
random = numpy.random.default_rng(7)


def w(*shape, low=None):
    array = random.standard_normal(shape, dtype=numpy.float32)
    return array if low is None else numpy.abs(array) + numpy.float32(low)


def number(x):
    return numpy.array(x, numpy.float32)


def ints(*values):
    return numpy.array(values, numpy.int64)


def u8(*shape):
    return random.integers(0, 255, shape, dtype=numpy.uint8)


def s8(*shape):
    return random.integers(-127, 128, shape, dtype=numpy.int8)


CASES = []


def case(name, text, weights=None, left=None, level="basic", note=None, opset=17, shape=None):
    """left: operators of the optimised graph and how often, all of them."""
    CASES.append((name, text, weights or {}, left, level, note, opset, shape))


# ---------------------------------------------------------------- basic

case("identity and dropout", "(float[2,3] x) => (float[2,3] y) {a = Identity(x) b = Dropout(a) y = Relu(b)}",
     left={"Relu": 1})
case("dead code", "(float[2,3] x) => (float[2,3] y) {a = Exp(x) b = Add(a, x) y = Relu(x)}", left={"Relu": 1})
case("constant folding", "(float[2,3] x) => (float[2,3] y) {a = Exp(k) b = Add(a, k) y = Add(x, b)}",
     {"k": w(3)}, {"Add": 1})
case("no-op moves",
     """(float[2,3] x) => (float[2,3] y) {a = Reshape(x, s) b = Transpose<perm=[0,1]>(a)
     c = Cast<to=1>(b) d = Expand(c, s) e = Slice(d, z, s, r) f = Pad(e, p) g = Concat<axis=0>(f) y = Relu(g)}""",
     {"s": ints(2, 3), "z": ints(0, 0), "r": ints(0, 1), "p": ints(0, 0, 0, 0)}, {"Relu": 1})
case("a slice backwards stays", "(float[2,3] x) => (float[2,3] y) {a = Slice(x, s, e, d, t) y = Relu(a)}",
     {"s": ints(2), "e": ints(-9), "d": ints(1), "t": ints(-1)}, {"Slice": 1, "Relu": 1})
case("a pad that shifts stays", "(float[2,3] x) => (float[2,3] y) {a = Pad(x, p) y = Relu(a)}",
     {"p": ints(0, 1, 0, -1)}, {"Pad": 1, "Relu": 1})
case("reshapes", """(float[2,3,4] x) => (float[4,6] y) {a = Flatten<axis=1>(x) b = Unsqueeze(a, zero)
     c = Squeeze(b, zero) d = Reshape(c, s) y = Relu(d)}""", {"zero": ints(0), "s": ints(4, 6)},
     {"Reshape": 1, "Relu": 1})
case("reshapes of symbols", """(float[N,3,4] x) => (float[N,12] y) {a = Unsqueeze(x, one) b = Flatten<axis=1>(a)
     y = Relu(b)}""", {"one": ints(1)}, {"Reshape": 1, "Relu": 1}, shape={"x": (5, 3, 4)})
case("transposes", """(float[2,3,4] x) => (float[2,3,4] y) {a = Transpose<perm=[1,2,0]>(x)
     b = Transpose<perm=[2,0,1]>(a) y = Relu(b)}""", left={"Relu": 1})
case("transposes that join", """(float[2,3,4] x) => (float[4,3,2] y) {a = Transpose<perm=[1,2,0]>(x)
     b = Transpose<perm=[1,0,2]>(a) y = Relu(b)}""", left={"Transpose": 1, "Relu": 1})
case("transpose into Gemm", """(float[3,2] x) => (float[2,5] y) {a = Transpose<perm=[1,0]>(x) y = Gemm(a, k)}""",
     {"k": w(3, 5)}, {"Gemm": 1})
case("casts", """(float[2,3] x) => (float[2,3] y) {a = Cast<to=11>(x) b = Cast<to=1>(a) y = Relu(b)}""",
     left={"Relu": 1})
case("a cast that rounds stays", """(float[2,3] x) => (float[2,3] y) {a = Cast<to=7>(x) b = Cast<to=1>(a)
     y = Relu(b)}""", left={"Cast": 2, "Relu": 1})
case("concats", """(float[2,3] x) => (float[2,9] y) {a = Relu(x) b = Concat<axis=1>(x, a)
     y = Concat<axis=1>(b, x)}""", left={"Relu": 1, "Concat": 1})
case("common subexpressions", """(float[2,3] x) => (float[2,3] y) {a = Exp(x) b = Exp(x) c = Relu(a) d = Relu(b)
     y = Add(c, d)}""", left={"Exp": 1, "Relu": 1, "Add": 1})
case("random numbers are not merged", """(float[2,3] x) => (float[2,3] y) {a = RandomNormalLike(x)
     b = RandomNormalLike(x) c = Sub(a, a) d = Sub(b, b) e = Add(c, d) y = Add(e, x)}""",
     left={"RandomNormalLike": 2, "Sub": 2, "Add": 2})
case("algebra", """(float[2,3] x) => (float[2,3] y) {a = Mul(x, one) b = Add(a, nil) c = Div(b, two) d = Sub(c, k)
     e = Pow(d, two) f = Neg(e) g = Neg(f) y = Relu(g)}""",
     {"one": number(1), "nil": number(0), "two": number(2), "k": w(3)}, {"Mul": 2, "Add": 1, "Relu": 1})
case("sums of two and of three", "(float[2,3] x, float[3] z) => (float[2,3] y) {a = Sum(x, z) y = Sum(a, x, z)}",
     left={"Add": 1, "Sum": 1})
case("operands keep their places before opset 7", "(float[2,3] x) => (float[2,3] y) {y = Add<broadcast=1>(k, x)}",
     {"k": w(2, 3)}, {"Add": 1}, opset=6)
case("numbers that join", """(float[2,3] x) => (float[2,3] y) {a = Mul(two, x) b = Mul(a, two) c = Div(b, two)
     y = Relu(c)}""", {"two": number(2)}, {"Mul": 1, "Relu": 1})
case("where of one side", "(float[2,3] x) => (float[2,3] y) {a = Where(c, x, k) y = Relu(a)}",
     {"c": numpy.array([[True]]), "k": number(3)}, {"Relu": 1})
case("where of not", """(float[2,3] x) => (float[2,3] y) {a = Less(x, k) b = Not(a) y = Where(b, x, k)}""",
     {"k": number(0)}, {"Less": 1, "Where": 1})
case("conv and batch norm", """(float[1,3,8,8] x) => (float[1,4,8,8] y) {a = Conv<pads=[1,1,1,1]>(x, k, b)
     y = BatchNormalization(a, s, t, m, v)}""",
     {"k": w(4, 3, 3, 3), "b": w(4), "s": w(4), "t": w(4), "m": w(4), "v": w(4, low=.5)}, {"Conv": 1})
case("conv, mul and add", """(float[1,3,8,8] x) => (float[1,4,6,6] y) {a = Conv(x, k) b = Mul(a, s) y = Add(t, b)}""",
     {"k": w(4, 3, 3, 3), "s": w(4, 1, 1), "t": w(1, 4, 1, 1)}, {"Conv": 1})
case("conv and a map stay", """(float[1,3,8,8] x) => (float[1,4,6,6] y) {a = Conv(x, k) y = Mul(a, s)}""",
     {"k": w(4, 3, 3, 3), "s": w(6, 6)}, {"Conv": 1, "Mul": 1})
case("pad and conv", """(float[1,3,8,8] x) => (float[1,4,9,7] y) {a = Pad(x, p) y = Conv<auto_pad="VALID">(a, k)}""",
     {"p": ints(0, 0, 1, 0, 0, 0, 2, 1), "k": w(4, 3, 3, 3)}, {"Conv": 1})
case("pad with a number stays", """(float[1,3,8,8] x) => (float[1,4,8,8] y) {a = Pad(x, p, c) y = Conv(a, k)}""",
     {"p": ints(0, 0, 1, 1, 0, 0, 1, 1), "k": w(4, 3, 3, 3), "c": number(1)}, {"Pad": 1, "Conv": 1})
case("matmul and add", """(float[5,3] x) => (float[5,4] y) {a = MatMul(x, k) y = Add(a, b)}""",
     {"k": w(3, 4), "b": w(4)}, {"Gemm": 1})
case("rows", """(float[B,S,3] x) => (float[B,S,4] y) {a = Reshape(x, r) b = Gemm(a, k, c) s = Shape(x)
     d = Slice(s, zero, two) e = Concat<axis=0>(d, four) y = Reshape(b, e)}""",
     {"r": ints(-1, 3), "k": w(3, 4), "c": w(4), "zero": ints(0), "two": ints(2), "four": ints(4)},
     {"MatMul": 1, "Add": 1}, "extended", shape={"x": (2, 5, 3)})
case("shapes", """(float[N,3,4] x) => (float[N,12] y) {s = Shape(x) i = Gather(s, zero) j = Unsqueeze(i, axis)
     k = Concat<axis=0>(j, minus) a = Reshape(x, k) y = Relu(a)}""",
     {"zero": numpy.array(0), "axis": ints(0), "minus": ints(-1)}, {"Reshape": 1, "Relu": 1}, shape={"x": (5, 3, 4)})
case("expand before add", """(float[2,3] x, float[3] z) => (float[2,3] y) {s = Shape(x) a = Expand(z, s)
     b = Mul(a, k) y = Add(x, b)}""", {"k": number(2)}, {"Mul": 1, "Add": 1})
case("if with a constant", """(float[2,3] x) => (float[2,3] y) {a = If(c) <
     then_branch = t () => (float[2,3] p) {p = Relu(x)}, else_branch = e () => (float[2,3] q) {q = Exp(x)}> y = Neg(a)}""",
     {"c": numpy.array(False)}, {"Exp": 1, "Neg": 1})
case("loop with a count", """(float[2,3] x) => (float[2,3] y) {a = Loop(n, c, x) <
     body = b (int64 i, bool k, float[2,3] v) => (bool l, float[2,3] u) {l = Identity(k) u = Exp(v)}> y = Neg(a)}""",
     {"n": numpy.array(3), "c": numpy.array(True)}, {"Exp": 3, "Neg": 1})

Q = {"s": number(.1), "z": numpy.array(7, numpy.uint8), "s2": number(.2), "p": ints(3, 2)}
case("quantised values stay so", """(uint8[2,3] x) => (uint8[3,2] y) {a = DequantizeLinear(x, s, z)
     b = Transpose<perm=[1,0]>(a) y = QuantizeLinear(b, s, z)}""", Q, {"Transpose": 1})
case("a quantised chain", """(uint8[2,3] x) => (uint8[3,2] y) {a = DequantizeLinear(x, s, z)
     b = QuantizeLinear(a, s, z) c = DequantizeLinear(b, s, z) d = Reshape(c, p) y = QuantizeLinear(d, s, z)}""",
     Q, {"Reshape": 1})
case("another scale stays", """(uint8[2,3] x) => (uint8[3,2] y) {a = DequantizeLinear(x, s, z)
     b = Transpose<perm=[1,0]>(a) y = QuantizeLinear(b, s2, z)}""", Q,
     {"DequantizeLinear": 1, "Transpose": 1, "QuantizeLinear": 1})

# ---------------------------------------------------------------- extended

case("gelu", """(float[2,3] x) => (float[2,3] y) {a = Div(x, r) b = Erf(a) c = Add(b, one) d = Mul(x, c)
     y = Mul(d, half)}""", {"r": number(2 ** .5), "one": number(1), "half": number(.5)}, {"com.microsoft.Gelu": 1}, "extended")
case("gelu, halved first", """(float[2,3] x) => (float[2,3] y) {h = Mul(half, x) a = Mul(x, r) b = Erf(a)
     c = Add(one, b) y = Mul(c, h)}""", {"r": number(.5 ** .5), "one": number(1), "half": number(.5)}, {"Gelu": 1},
     "extended", opset=20)
case("not a gelu", """(float[2,3] x) => (float[2,3] y) {a = Div(x, r) b = Erf(a) c = Add(b, one) d = Mul(x, c)
     y = Mul(d, half)}""", {"r": number(2), "one": number(1), "half": number(.5)}, None, "extended",
     note=("fuse-gelu", "expected 0.707"))
case("silu", "(float[2,3] x) => (float[2,3] y) {a = Sigmoid(x) y = Mul(x, a)}", {}, {"com.microsoft.QuickGelu": 1},
     "extended")
case("hard swish", """(float[2,3] x) => (float[2,3] y) {a = Add(x, three) b = Clip(a, zero, six) c = Mul(x, b)
     y = Div(c, six)}""", {"three": number(3), "zero": number(0), "six": number(6)}, {"HardSwish": 1}, "extended")
case("mish", """(float[2,3] x) => (float[2,3] y) {a = Exp(x) b = Add(a, one) c = Log(b) d = Tanh(c) y = Mul(x, d)}""",
     {"one": number(1)}, {"Mish": 1}, "extended", opset=18)
LAYER_NORM = """m = ReduceMean<axes=[-1]>(x) d = Sub(x, m) p = Pow(d, two) v = ReduceMean<axes=[-1]>(p) e = Add(v, eps)
     r = Sqrt(e) n = Div(d, r)"""
LN = {"two": number(2), "eps": number(1e-5)}
case("layer norm", "(float[2,3,8] x) => (float[2,3,8] y) {" + LAYER_NORM + " s = Mul(n, g) y = Add(s, b)}",
     {**LN, "g": w(8), "b": w(8)}, {"LayerNormalization": 1}, "extended")
case("layer norm of opset 12", "(float[2,3,8] x) => (float[2,3,8] y) {" + LAYER_NORM + " s = Mul(g, n) y = Add(b, s)}",
     {**LN, "g": w(8), "b": w(8)}, {"LayerNormalization": 1}, "extended", opset=12)
case("layer norm without weights", "(float[2,3,8] x) => (float[2,3,8] y) {" + LAYER_NORM + " y = Relu(n)}",
     LN, {"LayerNormalization": 1, "Relu": 1}, "extended")
case("layer norm over the middle", """(float[2,3,8] x) => (float[2,3,8] y) {m = ReduceMean<axes=[1]>(x) d = Sub(x, m)
     p = Pow(d, two) v = ReduceMean<axes=[1]>(p) e = Add(v, eps) r = Sqrt(e) y = Div(d, r)}""", LN, None, "extended",
     note=("fuse-layer-norm", "not over the last dimensions"))
case("rms norm", """(float[2,3,8] x) => (float[2,3,8] y) {p = Mul(x, x) v = ReduceMean<axes=[-1]>(p) e = Add(v, eps)
     r = Sqrt(e) n = Div(x, r) y = Mul(n, g)}""", {**LN, "g": w(8)}, {"SimplifiedLayerNormalization": 1}, "extended")
case("skip layer norm", """(float[2,3,8] x, float[2,3,8] z) => (float[2,3,8] y, float[2,3,8] u) {a = Add(x, z)
     y = LayerNormalization(a, g, b) u = Relu(a)}""", {"g": w(8), "b": w(8)},
     {"com.microsoft.SkipLayerNormalization": 1, "Relu": 1}, "extended")
case("bias and gelu", "(float[2,3,8] x) => (float[2,3,8] y) {a = Add(x, b) y = Gelu(a)}", {"b": w(8)},
     {"com.microsoft.BiasGelu": 1}, "extended", opset=20)
case("matmul, transpose and factor", """(float[2,3,8] x, float[2,5,8] z) => (float[2,3,5] y) {t = Transpose<perm=[0,2,1]>(z)
     a = MatMul(x, t) y = Mul(a, k)}""", {"k": number(.5)}, {"com.microsoft.FusedMatMul": 1}, "extended")
case("conv and relu", "(float[1,3,8,8] x) => (float[1,4,6,6] y) {a = Conv(x, k) y = Relu(a)}", {"k": w(4, 3, 3, 3)},
     {"com.microsoft.FusedConv": 1}, "extended")
ATTENTION = """q0 = MatMul(x, wq) k0 = MatMul(x, wk) v0 = MatMul(x, wv) q1 = Reshape(q0, split) k1 = Reshape(k0, split)
     v1 = Reshape(v0, split) q = Transpose<perm=[0,2,1,3]>(q1) k = Transpose<perm=[0,2,3,1]>(k1)
     v = Transpose<perm=[0,2,1,3]>(v1)"""
OUT = "o1 = Transpose<perm=[0,2,1,3]>(o) y = Reshape(o1, join)"
WEIGHTS = {"wq": w(8, 8), "wk": w(8, 8), "wv": w(8, 8), "split": ints(0, 0, 2, 4), "join": ints(0, 0, 8)}
FUSED = {"MatMul": 3, "com.microsoft.MultiHeadAttention": 1}
case("attention", "(float[2,5,8] x) => (float[2,5,8] y) {" + ATTENTION + """ s = MatMul(q, k) t = Div(s, two)
     p = Softmax<axis=-1>(t) o = MatMul(p, v) """ + OUT + "}", {**WEIGHTS, "two": number(2)}, FUSED, "extended")
case("attention with a mask", "(float[B,S,8] x, float[B,1,S,S] m) => (float[B,S,8] y) {" + ATTENTION +
     """ k2 = Mul(k, half) q2 = Mul(q, half) s = MatMul(q2, k2) t = Add(s, m) p = Softmax<axis=-1>(t)
     p1 = Cast<to=1>(p) o = MatMul(p1, v) """ + OUT + "}", {**WEIGHTS, "half": number(.7)}, FUSED, "extended",
     shape={"x": (2, 5, 8), "m": (2, 1, 5, 5)})
case("attention along the queries", "(float[2,5,8] x) => (float[2,5,8] y) {" + ATTENTION + """ s = MatMul(q, k)
     p = Softmax<axis=2>(s) o = MatMul(p, v) """ + OUT + "}", WEIGHTS, None, "extended",
     note=("fuse-attention", "softmax is not along the keys"))
case("attention of queries by heads", """(float[2,2,5,4] q, float[2,2,7,4] kk, float[2,2,7,4] vv) => (float[2,5,8] y) {
     k0 = Reshape(kk, flat) k1 = Transpose<perm=[0,2,1]>(k0) k = Reshape(k1, back) s = MatMul(q, k)
     p = Softmax<axis=-1>(s) o = MatMul(p, vv) """ + OUT + "}",
     {"flat": ints(4, 7, 4), "back": ints(2, 2, 4, 7), "join": ints(0, 0, 8)},
     {"Transpose": 1, "Reshape": 1, "com.microsoft.MultiHeadAttention": 1}, "extended")
case("rms norm without weights", """(float[2,3,8] x) => (float[2,3,8] y) {p = Pow(x, two) v = ReduceMean<axes=[-1]>(p)
     e = Add(v, eps) r = Sqrt(e) i = Reciprocal(r) y = Mul(i, x)}""", LN, {"SimplifiedLayerNormalization": 1}, "extended")
case("attention of 4-D keys", """(float[2,5,8] x, float[2,2,7,4] kk, float[2,2,7,4] vv) => (float[2,5,8] y) {
     q1 = Reshape(x, split) q = Transpose<perm=[0,2,1,3]>(q1) k = Transpose<perm=[0,1,3,2]>(kk) s = MatMul(q, k)
     p = Softmax<axis=-1>(s) o = MatMul(p, vv) """ + OUT + "}",
     {"split": ints(0, 0, 2, 4), "join": ints(0, 0, 8)}, {"com.microsoft.MultiHeadAttention": 1}, "extended")

case("attention with two masks", "(float[B,S,8] x, float[B,1,S,S] m, float[2,S,S] bias) => (float[B,S,8] y) {" + ATTENTION +
     """ s = MatMul(q, k) b = Unsqueeze(bias, zero) t = Add(s, b) u = Add(t, m) p = Softmax<axis=-1>(u)
     o = MatMul(p, v) """ + OUT + "}", {**WEIGHTS, "zero": ints(0)},
     {"MatMul": 3, "Reshape": 1, "Add": 1, "com.microsoft.MultiHeadAttention": 1}, "extended",
     shape={"x": (3, 5, 8), "m": (3, 1, 5, 5), "bias": (2, 5, 5)})
CAUSAL = numpy.triu(numpy.full((1, 1, 5, 5), -3e38, numpy.float32), 1)
case("causal attention", "(float[2,5,8] x) => (float[2,5,8] y) {" + ATTENTION + """ s = MatMul(q, k) t = Add(s, m)
     p = Softmax<axis=-1>(t) o = MatMul(p, v) """ + OUT + "}", {**WEIGHTS, "m": CAUSAL}, FUSED, "extended")
GROUPED = """s = MatMul(q, k) p = Softmax<axis=-1>(s) o = MatMul(p, v)"""
REPEAT = """k1 = Unsqueeze(kk, two) k2 = Expand(k1, wide) k3 = Reshape(k2, all) k = Transpose<perm=[0,1,3,2]>(k3)
     v1 = Unsqueeze(vv, two) v2 = Expand(v1, wide) v = Reshape(v2, all)"""
case("grouped query attention", "(float[2,4,5,4] q, float[2,2,7,4] kk, float[2,2,7,4] vv) => (float[2,5,16] y) {" + REPEAT +
     " " + GROUPED + " " + OUT + "}",
     {"two": ints(2), "wide": ints(2, 2, 2, 7, 4), "all": ints(2, 4, 7, 4), "join": ints(0, 0, 16)},
     {"ai.corten.Attention": 1, "Transpose": 1, "Reshape": 1}, "layout")
case("grouped query attention of opset 23", "(float[2,4,5,4] q, float[2,2,7,4] kk, float[2,2,7,4] vv) => (float[2,5,16] y) {" +
     REPEAT + " " + GROUPED + " " + OUT + "}",
     {"two": ints(2), "wide": ints(2, 2, 2, 7, 4), "all": ints(2, 4, 7, 4), "join": ints(0, 0, 16)},
     {"Attention": 1, "Transpose": 1, "Reshape": 1}, "extended", opset=23)
ROTARY = """l = Slice(x, zero, two, last) h = Slice(x, two, end, last) n = Neg(h) t = Concat<axis=-1>(n, l)
     a = Mul(x, c) b = Mul(t, s) y = Add(a, b)"""
TABLE = numpy.tile(w(1, 1, 5, 2), (1, 1, 1, 2))
TABLES = {"zero": ints(0), "two": ints(2), "end": ints(99), "last": ints(-1), "c": TABLE, "s": TABLE * 2}
case("rotary embedding", "(float[2,3,5,4] x) => (float[2,3,5,4] y) {" + ROTARY + "}", TABLES,
     {"com.microsoft.RotaryEmbedding": 1}, "extended")
case("rotary embedding by split", """(float[2,3,5,4] x) => (float[2,3,5,4] y) {l, h = Split<axis=-1>(x, halves) n = Neg(h)
     t = Concat<axis=-1>(n, l) a = Mul(c, x) b = Mul(s, t) y = Add(b, a)}""", {**TABLES, "halves": ints(2, 2)},
     {"com.microsoft.RotaryEmbedding": 1}, "extended")
case("rotary embedding with computed tables", """(float[2,3,S,4] x, float[1,1,S,2] f) => (float[2,3,S,4] y) {
     ff = Concat<axis=-1>(f, f) c = Cos(ff) s = Sin(ff) """ + ROTARY + "}",
     {n: TABLES[n] for n in ("zero", "two", "end", "last")},
     {"Concat": 1, "Cos": 1, "Sin": 1, "Slice": 2, "Reshape": 2, "com.microsoft.RotaryEmbedding": 1}, "extended",
     shape={"x": (2, 3, 5, 4), "f": (1, 1, 5, 2)})
case("not quite a rotary embedding", "(float[2,3,5,4] x) => (float[2,3,5,4] y) {" + ROTARY + "}",
     {**TABLES, "c": w(1, 1, 5, 4)}, None, "extended", note=("fuse-rotary", "halves of 'c' may differ"))
GROUPS = """r = Reshape(x, in) n = InstanceNormalization(r, one, nil) b = Reshape(n, back) m = Mul(b, g)
     y = Add(m, k)"""
GN = {"in": ints(0, 2, -1), "back": ints(2, 4, 3, 3), "one": w(2) * 0 + 1, "nil": w(2) * 0, "g": w(4, 1, 1), "k": w(4, 1, 1)}
case("group norm", "(float[2,4,3,3] x) => (float[2,4,3,3] y) {" + GROUPS + "}", GN, {"ai.corten.GroupNormalization": 1}, "layout")
case("group norm of opset 21", "(float[2,4,3,3] x) => (float[2,4,3,3] y) {" + GROUPS + "}", GN, {"GroupNormalization": 1},
     "extended", opset=21)
case("no group norm by channel", "(float[2,4,3,3] x) => (float[2,4,3,3] y) {" + GROUPS + "}", GN, None, "extended",
     note=("fuse-group-norm", "opset 17 has no GroupNormalization"))
case("group norm with scales", "(float[2,4,3,3] x) => (float[2,4,3,3] y) {" + GROUPS + "}", {**GN, "one": w(2)}, None, "extended",
     note=("fuse-group-norm", "scales of their own"))
case("instance norm", """(float[2,4,3,3] x) => (float[2,4,3,3] y) {n = InstanceNormalization(x, s, b) m = Mul(n, g)
     y = Add(k, m)}""", {"s": w(4), "b": w(4), "g": w(1, 4, 1, 1), "k": w(4, 1, 1)}, {"InstanceNormalization": 1}, "extended")
case("instance norm and a map", """(float[2,4,3,3] x) => (float[2,4,3,3] y) {n = InstanceNormalization(x, s, b) m = Mul(n, g)
     y = Add(k, m)}""", {"s": w(4), "b": w(4), "g": w(3, 3), "k": w(4, 1, 1)}, None, "extended",
     note=("fuse-group-norm", "not one number for each channel"))

EMBEDDED = {"words": w(9, 8), "places": w(6, 8), "kinds": w(2, 8), "g": w(8), "b": w(8)}
IDS = {"ids": (2, 5), "sids": (2, 5)}
case("embeddings", """(int64[B,5] ids, int64[B,5] sids) => (float[B,5,8] y) {a = Gather(words, ids) c = Gather(kinds, sids)
     d = Add(a, c) p = Gather(places, pids) e = Add(d, p) y = LayerNormalization(e, g, b)}""",
     {**EMBEDDED, "kinds": w(9, 8), "pids": numpy.arange(5)[None] % 5}, {"com.microsoft.EmbedLayerNormalization": 1}, "layout", shape=IDS)
case("embeddings for other runtimes", """(int64[B,5] ids) => (float[B,5,8] y) {a = Gather(words, ids) d = Add(a, p)
     y = LayerNormalization(d, g, b)}""", {**EMBEDDED, "p": w(1, 5, 8)},
     {"Cast": 1, "com.microsoft.EmbedLayerNormalization": 1}, "extended", shape={"ids": (2, 5)})
case("embeddings with positions of a batch", """(int32[2,5] ids, int32[2,5] pids, int32[2,5] sids) => (float[2,5,8] y) {
     a = Gather(words, ids) c = Gather(kinds, sids) p = Gather(places, pids) d = Add(a, p) e = Add(c, d)
     y = LayerNormalization(e, g, b)}""", {**EMBEDDED, "kinds": w(9, 8), "places": w(9, 8)},
     {"com.microsoft.EmbedLayerNormalization": 1}, "extended")
case("embeddings with a scaled table", """(int64[2,5] ids) => (float[2,5,8] y) {a = Gather(words, ids) d = Add(a, p)
     y = LayerNormalization(d, g, b)}""", {**EMBEDDED, "p": w(1, 5, 1)}, None, "extended",
     note=("fuse-embed-norm", "is not [1,S,H]"))
for title, mask, inner in (("batches", "[3,1,1,5]", True), ("rows", "[1,1,4,5]", True), ("heads", "[1,2,4,5]", True),
                           ("columns", "[3,1,4,5]", False)):
    case(f"softmax with a mask of {title}", f"(float[3,2,4,5] x, float{mask} m) => (float[3,2,4,5] y) {{a = Add(x, m) "
         "y = Softmax<axis=-1>(a)}", {}, {"com.microsoft.BiasSoftmax": 1} if inner else {"Add": 1, "Softmax": 1}, "layout")

# ---------------------------------------------------------------- layout and above

case("epilogues", """(float[2,3,8] x, float[2,3,8] z) => (float[2,3,8] y) {a = MatMul(x, k) b = Add(a, c) d = Add(z, b)
     y = Relu(d)}""", {"k": w(8, 8), "c": w(8)}, {"ai.corten.FusedMatMul": 1}, "layout")

case("elementwise chain", """(float[2,3,40] x, float[2,3,40] z) => (float[2,3,40] y) {a = Mul(x, g) b = Add(a, z) c = Tanh(b)
     d = Sub(z, c) e = Exp(d) y = Mul(e, b)}""", {"g": w(40)}, {"ai.corten.Elementwise": 1}, "all")
case("elementwise chain with another reader", """(float[2,3,40] x) => (float[2,3,40] y, float[2,3,40] u) {a = Exp(x)
     u = Sin(a) b = Cos(u) y = Mul(b, a)}""", {}, {"Exp": 1, "Sin": 1, "ai.corten.Elementwise": 1}, "all")
case("elementwise chain of unlike shapes", """(float[2,3,40] x, float[40] z) => (float[2,3,40] y) {a = Exp(z) b = Sin(a)
     y = Mul(x, b)}""", {}, {"ai.corten.Elementwise": 1, "Mul": 1}, "all")
case("elementwise, short rows", """(float[5,4,3] x, float[3] z) => (float[5,4,3] y) {a = Exp(x) y = Mul(a, z)}""",
     {}, {"Exp": 1, "Mul": 1}, "all")
case("elementwise, more than fits", "(float[50] x) => (float[50] y) {" + " ".join(
     f"a{i} = {op}({'x' if not i else f'a{i - 1}'})" for i, op in enumerate(["Sin", "Cos"] * 5)) + " y = Exp(a9)}",
     {}, {"ai.corten.Elementwise": 2}, "all")
case("elementwise with bounds", """(float[50] x) => (float[50] y) {a = Clip(x, low, high) b = LeakyRelu<alpha=0.3>(a)
     y = Max(b, z)}""", {"low": number(-.5), "high": number(.7), "z": w(50)}, {"ai.corten.Elementwise": 1}, "all")
CHAIN = """({t}[2,20,9,9] x) => ({t}[2,24,1,1] m, {t}[2,48,4,4] y) {{
     a = QLinearConv<pads=[1,1,1,1]>(x, xs, z, wa, ws, wz, as, z, ba)
     b = QLinearConv<pads=[1,1,1,1], group=24>(a, as, z, wb, ws, wz, bs, z, ba)
     c = QLinearConv(b, bs, z, wc, ws, wz, as, z)
     d = com.microsoft.QLinearAdd(a, as, z, c, as, z, bs, z)
     e = com.microsoft.QLinearSigmoid(d, bs, z, es, z)
     f = com.microsoft.QLinearMul(d, bs, z, e, es, z, bs, z)
     p = MaxPool<kernel_shape=[3,3], pads=[1,1,1,1], strides=[2,2]>(f)
     q = com.microsoft.QLinearConcat<axis=1>(as, z, p, bs, z, p, as, z)
     y = com.microsoft.QLinearAveragePool<kernel_shape=[2,2]>(q, as, z, bs, z)
     m = com.microsoft.QLinearGlobalAveragePool(f, bs, z, as, z)}}"""
CHAINED = {"Reorder": 2, "QLinearConv": 3, "QLinearSigmoid": 1, "QLinearMul": 1, "ChannelsLastMaxPool": 1,
           "QLinearConcat": 1, "QLinearAveragePool": 1, "QLinearGlobalAveragePool": 1}
for kind in ("uint8", "int8"):
    case(f"convolutions of {kind}, channels last", CHAIN.format(t=kind),
         {"xs": number(.1), "as": number(.4), "bs": number(.3), "es": number(1 / 255), "z": numpy.array(3, kind),
          "wa": s8(24, 20, 3, 3), "wb": s8(24, 1, 3, 3), "wc": s8(24, 24, 1, 1), "ws": w(24, low=.001) * number(.002),
          "wz": numpy.zeros(24, numpy.int8), "ba": ints(*range(24)).astype(numpy.int32)},
         {("ai.corten." if n in ("Reorder", "QLinearConv", "ChannelsLastMaxPool") else "com.microsoft.") + n: k
          for n, k in CHAINED.items()}, "layout")


def build(text, weights, opset):
    contrib = ', "com.microsoft" : 1' if "com.microsoft" in text else ""
    imports = f'<ir_version: 8, opset_import: ["" : {opset}{contrib}]> g '
    head, body = text.split("=>", 1)
    outputs, nodes = body.split("{", 1)
    inits = ", ".join(f"{numpy_type(a)} {n}" for n, a in weights.items())
    model = parser.parse_model(f"{imports}{head} => {outputs} <{inits}> {{{nodes}" if inits else imports + text)
    del model.graph.value_info[:]
    model.graph.initializer.extend(numpy_helper.from_array(a, n) for n, a in weights.items())
    return model


def numpy_type(array):
    names = {"float32": "float", "int64": "int64", "bool": "bool", "uint8": "uint8", "int8": "int8", "int32": "int32"}
    return f"{names[array.dtype.name]}[{','.join(map(str, array.shape))}]"


def corten(*arguments):
    done = subprocess.run([CORTEN, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{arguments[0]}: {done.stdout[-300:]}{done.stderr[-500:]}"
    return done.stdout


def check(folder, text, weights, left, level, note, opset, shape):
    path = folder / "model.onnx"
    onnx.save(build(text, weights, opset), path)
    report = json.loads(corten("optimize", path, "--json", "--explain", "--level", level))
    found = {name: int(n) for name, n in report["after"]["operators"].items()}
    if left is not None:
        assert found == left, f"left are {found}, expected {left}"
    if note:
        told = [n["text"] for n in report["notes"] if n["pass"] == note[0]]
        assert any(note[1] in text for text in told), f"told {told}, expected '{note[1]}'"
    shapes = [a for n, s in (shape or {}).items() for a in ("--shape", f"{n}={'x'.join(map(str, s))}")]
    if "Random" not in text:
        for each in LEVELS:
            corten("verify", path, "--random", "--level", each, *shapes)


def main():
    failed = 0
    for name, *rest in CASES:
        with tempfile.TemporaryDirectory() as folder:
            try:
                check(pathlib.Path(folder), *rest)
            except Exception as error:  # each case is told of by itself
                failed += 1
                print(f"FAILED {name}: {error}")
    print(f"{len(CASES)} cases, {failed} failures")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
