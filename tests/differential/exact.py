"""Answers that do not depend on how a type rounds: models with their floats widened, for references that lack
a type or round more than they need to, and how far rounding between the nodes of a graph may take its
results."""
import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from reference_ops import CORRECTED

TYPE_ATTRIBUTES = {"to", "dtype", "output_datatype", "output_dtype", "softmax_precision", "precision"}
EPSILON = {T.FLOAT: 2.0 ** -23, T.FLOAT16: 2.0 ** -10, T.BFLOAT16: 2.0 ** -7, T.DOUBLE: 2.0 ** -52}
LARGEST = {T.FLOAT: 2.0 ** 128, T.FLOAT16: 65520.0, T.BFLOAT16: 2.0 ** 128 * (1 - 2.0 ** -9)}
TRIALS = 6


def widen_tensor(tensor, to):
    if tensor.data_type not in to:
        return
    array = numpy_helper.to_array(tensor)
    name, target = tensor.name, to[tensor.data_type]
    tensor.CopyFrom(numpy_helper.from_array(array.astype(helper.tensor_dtype_to_np_dtype(target)), name))


def widen_type(proto, to):
    kind = proto.WhichOneof("value")
    if kind == "tensor_type":
        proto.tensor_type.elem_type = to.get(proto.tensor_type.elem_type, proto.tensor_type.elem_type)
    elif kind in ("sequence_type", "optional_type"):
        widen_type(getattr(proto, kind).elem_type, to)


def widen_graph(graph, to):
    for tensor in graph.initializer:
        widen_tensor(tensor, to)
    for info in [*graph.input, *graph.output, *graph.value_info]:
        widen_type(info.type, to)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.name in TYPE_ATTRIBUTES:
                attribute.i = to.get(attribute.i, attribute.i)
            if attribute.type == onnx.AttributeProto.TENSOR:
                widen_tensor(attribute.t, to)
            elif attribute.type == onnx.AttributeProto.GRAPH:
                widen_graph(attribute.g, to)


def widened(model, feeds, to):
    """Copies of both; to: {type: wider type}"""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    widen_graph(copy.graph, to)
    arrays = {np.dtype(helper.tensor_dtype_to_np_dtype(k)): helper.tensor_dtype_to_np_dtype(v)
              for k, v in to.items()}
    return copy, {k: v.astype(arrays[v.dtype]) if v.dtype in arrays else v for k, v in feeds.items()}


def narrowed(values, model):
    """As the outputs of the model say, where that is a float."""
    found = []
    for value, output in zip(values, model.graph.output):
        dtype = output.type.tensor_type.elem_type
        if dtype in EPSILON and not isinstance(value, list) and value is not None:
            with np.errstate(all="ignore"):
                value = np.asarray(value).astype(helper.tensor_dtype_to_np_dtype(dtype))
        found.append(value)
    return found


TO_FLOAT = {T.FLOAT16: T.FLOAT, T.BFLOAT16: T.FLOAT}
TO_DOUBLE = {**{k: T.DOUBLE for k in TO_FLOAT}, T.FLOAT: T.DOUBLE}


def is_wide(model):
    """It has neither float16 nor bfloat16."""
    text = {t.data_type for t in model.graph.initializer} | \
        {v.type.tensor_type.elem_type for v in [*model.graph.input, *model.graph.output]}
    return not text & set(TO_FLOAT)


class Exact:
    """The onnx package's reference in float64. dtypes: {result: its type in the narrow model}; in_range: results
    that their type cannot hold become infinite between nodes, as they do where nodes are not fused."""

    def __init__(self, model, feeds, names, dtypes, in_range):
        self.model, self.feeds = widened(model, feeds, TO_DOUBLE)
        self.narrow, self.names, self.dtypes, self.in_range = model, names, dtypes, in_range

    def run(self, rng=None):
        evaluator = ReferenceEvaluator(self.model, new_ops=CORRECTED)
        for node in evaluator.rt_nodes_:
            self.disturb(node, rng)
        with np.errstate(all="ignore"):
            return evaluator.run(self.names, self.feeds)

    def disturb(self, node, rng):
        """Makes a node's results differ by what their type may do to them. With rng, rounding: by a unit in the
        last place, or, as sums of larger terms do, by one of the largest element in the type of sums."""
        run, names = node.run, node.output

        def noisy(*args, **kwargs):
            outputs = run(*args, **kwargs)
            return tuple(self.noise(name, value, rng) for name, value in zip(names, outputs))
        node.run = noisy

    def noise(self, name, value, rng):
        dtype = self.dtypes.get(name)
        if dtype not in EPSILON or not isinstance(value, np.ndarray) or value.dtype != np.float64:
            return value
        if self.in_range and dtype in LARGEST:
            value = np.where(np.abs(value) >= LARGEST[dtype], np.copysign(np.inf, value), value)
        if rng is None:
            return value
        finite = np.abs(value[np.isfinite(value)])
        most = finite.max() if finite.size else 0
        sums = min(EPSILON[dtype], EPSILON[T.FLOAT])
        sizes = EPSILON[dtype] * np.abs(value) + 2 * sums * most
        return value + sizes * rng.uniform(-1, 1, value.shape)

    def answer(self):
        return narrowed(self.run(), self.narrow)

    def spread(self):
        """How far each output moves, an array each; None of what is no array of floats"""
        base, rng = self.run(), np.random.default_rng(1)
        most = [np.zeros(np.shape(b)) if isinstance(b, (np.ndarray, np.floating)) else None for b in base]
        for _ in range(TRIALS):
            for i, (a, b) in enumerate(zip(self.run(rng), base)):
                if most[i] is not None and np.shape(a) == np.shape(b):
                    with np.errstate(all="ignore"):
                        most[i] = np.fmax(most[i], np.abs(np.asarray(a, float) - np.asarray(b, float)))
        return most
