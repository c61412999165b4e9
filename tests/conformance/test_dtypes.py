"""Every element type that ONNX's schemas allow, at every version of every operator, is accepted and run.

For each operator and version a generator of the differential tester makes models that run; then each type
variable of the schema is given every type that it allows, the other inputs as they were. Types that are no
tensors and hold none (maps, sparse tensors) are left to the operators' own cases."""
import copy
import os
import pathlib
import sys
import unittest

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CORTEN_BUILD", ROOT / "build"))
sys.path.insert(0, str(ROOT / "tests/differential"))

# pylint: disable=wrong-import-position
import differential  # noqa: F401, it loads all generators
import engines
from builder import BY_NAME, Graph, Skip, Value
from generators_basic import GENERATORS, generator

WITHOUT_TYPES = {"Gradient": "asks for training", "ImageDecoder": "bytes in, bytes out"}
DOMAINS = ("", "ai.onnx.ml", "ai.onnx.preview", "ai.onnx.preview.training")
SEEDS = 40
# What an attribute says of the type of an output.
TYPE_ATTRIBUTES = ("to", "dtype", "output_datatype", "output_dtype", "softmax_precision")
NAMES = {code: name for name, code in BY_NAME.items()}


# ------------------------------------------------------------------ operators without random cases


@generator("SwiGLU")
def swiglu(g, schema):
    x = [g.new(T.FLOAT, (2, 3)) for _ in schema.inputs]
    g.node("SwiGLU", x, [(T.FLOAT, (2, 3))])


@generator("CausalConvWithState")
def causal_conv(g, _):
    g.node("CausalConvWithState", [g.new(T.FLOAT, (2, 3, 5)), g.new(T.FLOAT, (3, 1, 4))],
           [(T.FLOAT, None), (T.FLOAT, None)])


@generator("LinearAttention")
def linear_attention(g, _):
    q = [g.new(T.FLOAT, (1, 2, 8)) for _ in range(3)]
    g.node("LinearAttention", q + [g.new(T.FLOAT, (1, 2, 4, 4))], [(T.FLOAT, None), (T.FLOAT, None)],
           q_num_heads=2, kv_num_heads=2, update_rule="linear")


@generator("FlexAttention")
def flex_attention(g, _):
    q = [g.new(T.FLOAT, (1, 2, 3, 4)) for _ in range(3)]
    g.node("FlexAttention", q, [(T.FLOAT, None)], domain="ai.onnx.preview")


# ------------------------------------------------------------------ models made for one type


def sequence_of(dtype):
    return helper.make_sequence_type_proto(helper.make_tensor_type_proto(dtype, None))


def optional_of(kind):
    return helper.make_optional_type_proto(kind)


def info(name, kind=None):
    return onnx.ValueInfoProto(name=name, type=kind)


def body(nodes, inputs, outputs):
    return helper.make_graph(nodes, "body", [info(n) for n in inputs], [info(n) for n in outputs])


def same(*names):
    """Nodes that hand on what they get"""
    return [helper.make_node("Identity", [a], [b]) for a, b in zip(names[::2], names[1::2])]


def if_branches(g, dtype):
    x = g.new(dtype, (2,), constant=False)
    g.node("If", [g.new(T.BOOL, ())], [(dtype, None)], then_branch=body(same(x.name, "a"), [], ["a"]),
           else_branch=body(same(x.name, "b"), [], ["b"]))


def loop_body(g, dtype):
    count, condition = g.hold(np.array(2)), g.hold(np.array(True))
    inner = body(same("c", "c2", "v", "v2", "v", "s"), ["i", "c", "v"], ["c2", "v2", "s"])
    g.node("Loop", [count, condition, g.new(dtype, (2,))], [(dtype, None), (dtype, None)], body=inner)


def scan_body(g, dtype):
    before = [None] if g.opset == 8 else []
    shapes = ((1, 2), (1, 3, 2)) if before else ((2,), (3, 2))
    inner = body(same("v", "v2", "x", "s"), ["v", "x"], ["v2", "s"])
    g.node("Scan", before + [g.new(dtype, shape) for shape in shapes], [(dtype, None), (dtype, None)],
           body=inner, num_scan_inputs=1)


def sequences(g, dtype):
    """Every operator of sequences, one after the other"""
    if g.op == "SplitToSequence":
        split = g.hold(np.array([1, 1], g.pick([np.int32, np.int64])))
        g.node(g.op, [g.new(dtype, (2, 2)), split], [sequence_of(dtype)])
        return
    x = [g.new(dtype, (2,)) for _ in range(2)]
    if g.op == "SequenceEmpty":
        g.node(g.op, [], [sequence_of(dtype)], dtype=int(dtype))
        return
    held = g.node("SequenceConstruct", x, [sequence_of(dtype)])
    place = g.hold(np.array(0, g.pick([np.int32, np.int64])))
    inputs = {"SequenceInsert": [held, x[0], place], "SequenceAt": [held, place],
              "SequenceErase": [held, place]}.get(g.op, [held])
    attributes = {"ConcatFromSequence": {"axis": 0},
                  "SequenceMap": {"body": body(same("a", "b"), ["a"], ["b"])}}.get(g.op, {})
    out = {"SequenceAt": (dtype, None), "ConcatFromSequence": (dtype, None),
           "SequenceLength": (T.INT64, None)}.get(g.op, sequence_of(dtype))
    if g.op != "SequenceConstruct":
        g.node(g.op, inputs, [out], **attributes)


def optionals(g, dtype):
    kind, x = helper.make_tensor_type_proto(dtype, None), g.new(dtype, (2,))
    # There are no sequences of the later types.
    if f"seq(tensor({NAMES[dtype]}))" in g.schema("SequenceConstruct").outputs[0].types and g.chance(0.5):
        kind, x = sequence_of(dtype), g.node("SequenceConstruct", [x], [sequence_of(dtype)])
    held = g.node("Optional", [x], [optional_of(kind)])
    if g.op == "OptionalHasElement":
        g.node(g.op, [held], [(T.BOOL, ())])
    elif g.op == "OptionalGetElement":
        g.node(g.op, [held], [kind])


def cast(g, dtype):
    to = T.DataType.Name(dtype) if g.op == "Cast" else int(dtype)
    g.node(g.op, [g.new(T.FLOAT if g.op == "Cast" else dtype, (2,))], [(dtype, None)], to=to)


def random_like(g, dtype):
    g.node(g.op, [g.new(dtype, (2,))], [(T.FLOAT, None)], dtype=int(T.FLOAT))


def dropout(g, dtype):
    ratio = [g.new(dtype, ()) if dtype != T.BOOL else None] if g.opset >= 12 else []
    outputs = [(T.FLOAT, None), None if g.opset < 10 else (T.BOOL, None)]
    if g.opset >= 12 and dtype != T.BOOL:
        ratio[0].array[...] = 0.25
    g.node("Dropout", [g.new(T.FLOAT, (2,)), *ratio], outputs)


def label_encoder(g, dtype):
    one = helper.make_tensor("t", dtype, [1], [b"1"] if dtype == T.STRING else [1])
    g.node(g.op, [g.new(dtype, (2,))], [(dtype, None)], domain="ai.onnx.ml", keys_tensor=one,
           values_tensor=one, default_tensor=one)


def tfidf(g, dtype):
    g.node(g.op, [g.new(dtype, (3,))], [(T.FLOAT, None)], mode="TF", min_gram_length=1,
           max_gram_length=1, max_skip_count=0, ngram_counts=[0], ngram_indexes=[0],
           **({"pool_strings": ["a"]} if dtype == T.STRING else {"pool_int64s": [1]}))


def dft(g, dtype):
    g.node("DFT", [g.new(T.FLOAT, (1, 4, 1)), g.hold(np.array(4).astype(
        helper.tensor_dtype_to_np_dtype(dtype)))], [(T.FLOAT, None)])


def pad_axes(g, dtype):
    np_dtype = helper.tensor_dtype_to_np_dtype(dtype)
    g.node("Pad", [g.new(T.FLOAT, (2, 3)), g.ints([1, 1]), g.new(T.FLOAT, ()),
                   g.hold(np.array([1], np_dtype))], [(T.FLOAT, None)])


def resize_roi(g, dtype):
    roi = g.hold(np.array([0, 0, 1, 1]).astype(helper.tensor_dtype_to_np_dtype(dtype)))
    g.node("Resize", [g.new(T.FLOAT, (2, 3)), roi, None, g.ints([4, 6])], [(T.FLOAT, None)],
           coordinate_transformation_mode="tf_crop_and_resize")


def layer_norm(g, dtype):
    g.node("LayerNormalization", [g.new(T.FLOAT, (2, 3)), g.new(T.FLOAT, (3,))],
           [(T.FLOAT, None), (dtype, None), (dtype, None)], stash_type=int(dtype))


def tile_1(g, dtype):
    tiles = [g.hold(np.array(n).astype(helper.tensor_dtype_to_np_dtype(dtype))) for n in (2, 0)]
    g.node("Tile", [g.new(T.FLOAT if dtype == T.INT64 else dtype, (2, 3)), *tiles], [(dtype, None)])


def lp_pool_1(g, dtype):
    g.node("LpPool", [g.new(dtype, (1, 1, 4, 4))], [(dtype, None)], kernel_shape=[2, 2], p=2.0)


SEQUENCES = ["SequenceMap", "SequenceAt", "SequenceConstruct", "SequenceEmpty", "SequenceErase", "SequenceInsert",
             "SequenceLength", "ConcatFromSequence", "SplitToSequence"]
# {operator: makes a model for a type, from the first version on}; they are tried after the random ones.
TYPED = {"If": if_branches, "Loop": loop_body, "Scan": scan_body, "Optional": optionals,
         "OptionalHasElement": optionals, "OptionalGetElement": optionals, "Cast": cast,
         "BitCast": cast, "RandomUniformLike": random_like, "RandomNormalLike": random_like,
         "Dropout": dropout, "LabelEncoder": label_encoder, "TfIdfVectorizer": tfidf, "DFT": dft,
         "Pad": pad_axes, "Resize": resize_roi, "LayerNormalization": layer_norm, "Tile": tile_1,
         "LpPool": lp_pool_1, **{name: sequences for name in SEQUENCES}}
# What ONNX's schemas allow although it means nothing: operator, type, why.
MEANINGLESS = {("Col2Im", T.STRING): "its elements are added"}


# ------------------------------------------------------------------ what is tried


def variables(schema):
    """{variable: the element types that it allows}; only those of tensors and what holds tensors"""
    found = {}
    for constraint in schema.type_constraints:
        types = set()
        for text in constraint.allowed_type_strs:
            inner = text.rpartition("tensor(")[2].rstrip(")")
            if "tensor(" in text and "sparse" not in text and inner in BY_NAME:
                types.add(BY_NAME[inner])
        if types:
            found[constraint.type_param_str] = types
    return found


def formal(formals, index):
    return formals[min(index, len(formals) - 1)]


def main_node(graph, schema):
    return next(n for n in graph.nodes if n.op_type == schema.name)


class Operator:
    """One operator at one version: which types ran, and models to start from"""

    def __init__(self, schema, corten):
        self.schema, self.corten = schema, corten
        self.left = {(v, t) for v, types in variables(schema).items() for t in types
                     if (schema.name, t) not in MEANINGLESS}
        self.base, self.errors = None, {}

    def graph(self, seed):
        rng = np.random.default_rng([seed, 7])
        since, domain = self.schema.since_version, self.schema.domain
        graph = Graph(rng, since) if domain == "" else Graph(rng, 22, since)
        graph.op = self.schema.name
        graph.schema = lambda name, domain="": self.schema if name == self.schema.name else \
            onnx.defs.get_schema(name, graph.opset, domain)
        return graph

    def run(self, graph):
        model = graph.model()
        names = [v.name for v in graph.outputs]
        return dict(zip(names, self.corten.run(model, graph.feeds(), names, "disable", 1)))

    def types_of(self, graph, outputs):
        """{(variable, type)} of the operator's node in a graph that ran"""
        node, found = main_node(graph, self.schema), set()
        held = {v.name: v.array for v in graph.inputs + graph.initializers}
        for formals, names, values in ((self.schema.inputs, node.input, held),
                                       (self.schema.outputs, node.output, outputs)):
            for i, name in enumerate(names):
                value = values.get(name)
                if isinstance(value, np.ndarray):
                    found.add((formal(formals, i).type_str, code_of(value)))
        return found

    def sample(self, count):
        for seed in range(count):
            if not self.left or self.schema.name not in GENERATORS:
                return
            graph = self.graph(seed)
            try:
                GENERATORS[self.schema.name](graph, self.schema)
                outputs = self.run(graph)
            except (Skip, engines.Failure):
                continue
            self.base = self.base or graph
            self.left -= self.types_of(graph, outputs)

    def retype(self, variable, dtype):
        """The base model with another type for a variable; None where no input or attribute says it"""
        graph = copy.copy(self.base)
        graph.nodes = [copy.deepcopy(n) for n in graph.nodes]
        graph.values = [copy.copy(v) for v in graph.values]
        node, names = main_node(graph, self.schema), set()
        for i, name in enumerate(node.input):
            if formal(self.schema.inputs, i).type_str == variable:
                names |= sources(graph, name)
        changed = False
        for kind in ("inputs", "initializers"):
            values = [retyped(v, dtype) if v.name in names and v.type is None else v
                      for v in getattr(graph, kind)]
            changed = changed or any(a is not b for a, b in zip(values, getattr(graph, kind)))
            setattr(graph, kind, values)
        outputs = {o.type_str for o in self.schema.outputs}
        for attr in node.attribute:
            if attr.name in TYPE_ATTRIBUTES and attr.type == onnx.AttributeProto.INT and \
                    not changed and variable in outputs:
                attr.i, changed = dtype, True
        if not changed and variable in outputs:
            for name in TYPE_ATTRIBUTES:
                if name in self.schema.attributes and \
                        self.schema.attributes[name].type == onnx.defs.OpSchema.AttrType.INT:
                    node.attribute.append(helper.make_attribute(name, dtype))
                    return graph
            if "value" in self.schema.attributes:
                del node.attribute[:]
                node.attribute.append(helper.make_attribute(
                    "value", helper.make_tensor("v", dtype, [1], [b"a"] if dtype == T.STRING else [1])))
                return graph
        return graph if changed else None

    def try_rest(self):
        for variable, dtype in sorted(self.left):
            graph = self.retype(variable, dtype) if self.base else None
            errors = ["no model was made"] if graph is None else self.failure(graph)
            if errors and self.schema.name in TYPED:
                # Four times: some choose at random between two forms, of which both must run.
                errors = [e for seed in range(4) for e in self.failure(self.typed(dtype, seed))]
            if errors:
                self.errors[variable, dtype] = errors[0]

    def typed(self, dtype, seed):
        graph = self.graph(seed)
        TYPED[self.schema.name](graph, dtype)
        return graph

    def failure(self, graph):
        for value in graph.values:
            value.type, value.dtype, value.shape = onnx.TypeProto(), 0, None
        try:
            self.run(graph)
        except engines.Failure as failure:
            return [str(failure)]
        return []


def code_of(array):
    return T.STRING if array.dtype.kind in "OUS" else helper.np_dtype_to_tensor_dtype(array.dtype)


def sources(graph, name):
    """The inputs and initializers of a graph that have the elements of a value"""
    for node in graph.nodes:
        if name in node.output:
            return set().union(*(sources(graph, n) for n in node.input))
    return {name}


def retyped(value, dtype):
    array = value.array
    if dtype == T.STRING:
        array = np.array([str(x) for x in array.ravel()], object).reshape(array.shape)
    elif array.dtype.kind in "OUS":
        array = np.ones(array.shape).astype(helper.tensor_dtype_to_np_dtype(dtype))
    else:
        wide = array.astype(np.float64) if array.dtype.kind != "c" else array
        array = wide.astype(np.float32).astype(helper.tensor_dtype_to_np_dtype(dtype))
    return Value(value.name, dtype, value.shape, array, True)


class EveryType(unittest.TestCase):
    def test_every_type_of_every_operator(self):
        corten = engines.Corten(BUILD / "libcorten.so")
        tried, problems = 0, []
        for schema in onnx.defs.get_all_schemas_with_history():
            if schema.domain not in DOMAINS or schema.deprecated or schema.name in WITHOUT_TYPES or \
                    not variables(schema):
                continue
            if schema.name not in GENERATORS and schema.name not in TYPED:
                problems.append(f"{schema.name} {schema.since_version}: no model is made of it")
                continue
            operator = Operator(schema, corten)
            tried += len(operator.left)
            operator.sample(SEEDS)
            operator.try_rest()
            problems += [f"{schema.domain or 'ai.onnx'} {schema.name} {schema.since_version} {variable} "
                         f"{NAMES[dtype]}: {text}" for (variable, dtype), text in operator.errors.items()]
        print(f"{tried} types tried")
        self.assertEqual(problems, [], "\n".join([""] + problems))


if __name__ == "__main__":
    unittest.main()
