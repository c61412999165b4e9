#!/usr/bin/env python3
"""The bodies that ONNX gives its function operators, expanded into nodes by onnx's own inliner and
optimised: results are those of the operator in onnx's reference, with no pass and with all, and the
operators that are left are listed. FUSED comes back as operators; KEPT does not, for the reason
beside it. Attributes are given even where they are the default: the inliner does not fill them in."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy
import onnx
from onnx import helper, inliner, numpy_helper, parser
from onnx.reference import ReferenceEvaluator

CORTEN = pathlib.Path(os.environ.get("CORTEN_BUILD", "build")) / "corten"
OPSET = 25
random = numpy.random.default_rng(11)

X = "float[2,3,8] x"
IMAGE = "float[2,4,3,3] x"
CHANNELS = {"g": (4,), "b": (4,)}
HEADS = "float[2,2,5,4] q, float[2,2,7,4] k, float[2,2,7,4] v"
TOKENS = "float[2,5,8] q, float[2,7,8] k, float[2,7,8] v"
BY_HEADS = "q_num_heads=2, kv_num_heads=2"
PAIRS = {"c": (2, 5, 2), "s": (2, 5, 2)}
MHA = "com.microsoft.MultiHeadAttention"

# Inputs, weights, the call and what is left of its body at `extended`.
FUSED = [
    (X, {}, 'Gelu<approximate="none">(x)', {"Gelu": 1}),
    (X, {}, 'Gelu<approximate="tanh">(x)', {"Gelu": 1}),
    (X, {"g": (8,)}, "RMSNormalization(x, g)", {"RMSNormalization": 1}),
    (X, {"g": (3, 8)}, "RMSNormalization<axis=1>(x, g)", {"RMSNormalization": 1}),
    (X, {}, "HardSwish(x)", {"HardSwish": 1}),
    (X, {}, "Mish(x)", {"Mish": 1}),
    (X, {}, "Softplus(x)", {"Softplus": 1}),
    (X, {}, "Softsign(x)", {"Softsign": 1}),
    (X, {}, "Swish<alpha=1.0>(x)", {"com.microsoft.QuickGelu": 1}),
    (X, {}, "Swish<alpha=1.7>(x)", {"com.microsoft.QuickGelu": 1}),
    (TOKENS, {}, f"Attention<{BY_HEADS}>(q, k, v)", {MHA: 1}),
    (TOKENS, {}, f"Attention<{BY_HEADS}, scale=0.3>(q, k, v)", {MHA: 1}),
]

VARIANCE = "the variance is E[x^2] - E[x]^2, which LayerNormalization does not compute"
NO_PATTERN = "no exporter writes it out"
KEPT = [
    (X, {"g": (8,), "b": (8,)}, "LayerNormalization(x, g, b)", "Div", VARIANCE),
    (IMAGE, CHANNELS, "GroupNormalization<num_groups=2>(x, g, b)", "Div", VARIANCE),
    (IMAGE, {}, "MeanVarianceNormalization<axes=[0,2,3]>(x)", "Div", VARIANCE),
    (HEADS, {}, "Attention(q, k, v)", "Softmax", "heads are not joined after it"),
    (HEADS + ", float[5,7] m", {}, "Attention(q, k, v, m)", "Softmax", "rows masked as a whole are set to 0"),
    ("float[2,3,5,4] x", PAIRS, "RotaryEmbedding<interleaved=0>(x, c, s)", "Concat",
     "the fusion is of x * cos + rotated * sin"),
    ("float[2,3,5,4] x", PAIRS, "RotaryEmbedding<interleaved=1>(x, c, s)", "Concat",
     "the fusion is of x * cos + rotated * sin"),
    (X, {}, "Relu(x)", "Max", NO_PATTERN),
    (X, {}, "LeakyRelu<alpha=0.1>(x)", "Where", NO_PATTERN),
    (X, {"a": (8,)}, "PRelu(x, a)", "Where", NO_PATTERN),
    (X, {}, "Elu<alpha=0.7>(x)", "Where", NO_PATTERN),
    (X, {}, "Celu<alpha=0.7>(x)", "Elu", NO_PATTERN),
    (X, {}, "Selu<alpha=1.6, gamma=1.1>(x)", "Where", NO_PATTERN),
    (X, {}, "HardSigmoid<alpha=0.2, beta=0.5>(x)", "Max", "the fusion is of x / 6 + 1 / 2 as a Clip"),
    (X, {}, "ThresholdedRelu<alpha=0.5>(x)", "Where", NO_PATTERN),
    (X, {}, "Shrink<lambd=0.5, bias=0.1>(x)", "Where", NO_PATTERN),
    (X, {}, "Softmax<axis=-1>(x)", "ReduceSum", NO_PATTERN),
    (X, {}, "LogSoftmax<axis=-1>(x)", "ReduceSum", NO_PATTERN),
]


def build(inputs, weights, call):
    """The model with the operator, and the one with its body."""
    listed = ", ".join(f"float[{','.join(map(str, shape))}] {name}" for name, shape in weights.items())
    shape = inputs.split(" ")[0]
    head = f'<ir_version: 10, opset_import: ["" : {OPSET}]> g ({inputs}) => ({shape} y)'
    whole = parser.parse_model(f"{head} <{listed}> {{y = {call}}}" if listed else f"{head} {{y = {call}}}")
    arrays = [numpy_helper.from_array(random.random(s, numpy.float32) + numpy.float32(.1), n) for n, s in weights.items()]
    for name, shape in weights.items():  # the inliner wants the types of all values
        whole.graph.input.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape))
    del whole.graph.value_info[:]
    operator = whole.graph.node[0].op_type
    expanded = inliner.inline_selected_functions(whole, [("", operator)], False, True)
    assert operator not in (n.op_type for n in expanded.graph.node), "it was not expanded"
    for model in (whole, expanded):
        del model.graph.input[len(model.graph.input) - len(weights):]
        model.graph.initializer.extend(arrays)
    return whole, expanded


def corten(*arguments):
    done = subprocess.run([CORTEN, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{arguments[0]}: {done.stdout[-300:]}{done.stderr[-500:]}"
    return done.stdout


def optimise(folder, inputs, weights, call):
    """Checks the results at every level and returns the operators left at `extended`."""
    whole, expanded = build(inputs, weights, call)
    feeds = {i.name: random.standard_normal([d.dim_value for d in i.type.tensor_type.shape.dim], numpy.float32)
             for i in whole.graph.input}
    (expected,) = ReferenceEvaluator(whole).run(None, feeds)
    path, data = folder / "model.onnx", folder / "data.npz"
    onnx.save(expanded, path)
    numpy.savez(data, **{f"in:{n}": a for n, a in feeds.items()}, **{"out:y": expected})
    for level in ("disable", "basic", "extended", "layout", "all"):
        corten("run", path, "--inputs", data, "--check", data, "--level", level)
    report = json.loads(corten("optimize", path, "--json", "--level", "extended"))
    return {name: int(n) for name, n in report["after"]["operators"].items()}


def main():
    failed = 0
    for inputs, weights, call, expected, *reason in FUSED + KEPT:
        with tempfile.TemporaryDirectory() as folder:
            try:
                left = optimise(pathlib.Path(folder), inputs, weights, call)
                if reason:
                    assert expected in left, f"left are {left}: '{reason[0]}' holds no more"
                else:
                    assert left == expected, f"left are {left}, expected {expected}"
            except Exception as error:  # each case is told of by itself
                failed += 1
                print(f"FAILED {call}: {error}")
    print(f"{len(FUSED)} bodies fused, {len(KEPT)} kept, {failed} failures")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
