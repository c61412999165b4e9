"""A random graph in the making: generators (generators_*.py) add nodes to it and take their inputs from
it. Everything random comes from one generator of random numbers, so that a seed repeats a graph."""
import dataclasses

import numpy as np
import onnx
from onnx import TensorProto as T
from onnx import helper, numpy_helper

FLOATS = {T.FLOAT, T.FLOAT16, T.DOUBLE, T.BFLOAT16}
NARROW = {T.FLOAT8E4M3FN, T.FLOAT8E4M3FNUZ, T.FLOAT8E5M2, T.FLOAT8E5M2FNUZ, T.FLOAT4E2M1,
          T.FLOAT8E8M0, T.FLOAT6E2M3, T.FLOAT6E3M2}
INTS = {T.INT8, T.INT16, T.INT32, T.INT64}
UINTS = {T.UINT8, T.UINT16, T.UINT32, T.UINT64}
SUB_BYTE = {T.INT4, T.UINT4, T.INT2, T.UINT2}
COMPLEX = {T.COMPLEX64, T.COMPLEX128}
MOST_ELEMENTS = 3000
WORDS = ["", "a", "Corten", "two words", "ÄÖ", "straße", "Ω", "1.5", "a,b,,c", "日本", "x_y@z.org"]

BY_NAME = {"float": T.FLOAT, "double": T.DOUBLE, "float16": T.FLOAT16, "bfloat16": T.BFLOAT16,
           "int8": T.INT8, "int16": T.INT16, "int32": T.INT32, "int64": T.INT64, "uint8": T.UINT8,
           "uint16": T.UINT16, "uint32": T.UINT32, "uint64": T.UINT64, "bool": T.BOOL,
           "string": T.STRING, "complex64": T.COMPLEX64, "complex128": T.COMPLEX128,
           "float8e4m3fn": T.FLOAT8E4M3FN, "float8e4m3fnuz": T.FLOAT8E4M3FNUZ,
           "float8e5m2": T.FLOAT8E5M2, "float8e5m2fnuz": T.FLOAT8E5M2FNUZ, "int4": T.INT4,
           "uint4": T.UINT4, "int2": T.INT2, "uint2": T.UINT2, "float4e2m1": T.FLOAT4E2M1,
           "float8e8m0": T.FLOAT8E8M0,
           "float6e2m3": T.FLOAT6E2M3, "float6e3m2": T.FLOAT6E3M2}


class Skip(Exception):
    """This combination of choices gives no model; another one is drawn."""


@dataclasses.dataclass
class Value:
    name: str
    dtype: int
    shape: tuple = None    # None: not known while the graph is made
    array: np.ndarray = None  # of inputs and initializers
    exact: bool = False    # its elements do not depend on how sums are rounded
    type: object = None    # TypeProto of what is no tensor


def tensor_types(schema, what, index):
    """The element types that input or output `index` of a schema may have."""
    formal = (schema.inputs if what == "in" else schema.outputs)
    formal = formal[min(index, len(formal) - 1)]
    names = [formal.type_str]
    for constraint in schema.type_constraints:
        if constraint.type_param_str == formal.type_str:
            names = constraint.allowed_type_strs
    found = [BY_NAME[n[7:-1]] for n in names if n[7:-1] in BY_NAME]
    return found


class Graph:
    def __init__(self, rng, opset, ml_opset=5):
        self.rng, self.opset, self.ml_opset = rng, opset, ml_opset
        self.nodes, self.inputs, self.initializers, self.outputs = [], [], [], []
        self.values = []      # results of nodes
        self.shape_only = set()  # results that are random
        self.count = 0
        self.pending = None   # the result that the next operator should take

    # -------------------------------------------------------------- choices

    def chance(self, p):
        return self.rng.random() < p

    def pick(self, items, weights=None):
        items = list(items)
        if not items:
            raise Skip
        if weights is not None:
            weights = np.array(weights, float) / sum(weights)
        return items[self.rng.choice(len(items), p=weights)]

    def int(self, low, high):
        """low to high, both included"""
        return int(self.rng.integers(low, high + 1))

    def dim(self, zero=True):
        if zero and self.chance(0.02):
            return 0
        return self.pick([1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 33],
                         [4, 5, 5, 4, 3, 2, 2, 1, 1, 1, .5])

    def shape(self, low=0, high=8, zero=True):
        ranks = [r for r in range(low, high + 1)]
        weight = [1, 3, 5, 5, 4, 2, 1, .5, .5]
        rank = self.pick(ranks, [weight[r] for r in ranks])
        while True:
            dims = tuple(self.dim(zero) for _ in range(rank))
            if np.prod(dims, dtype=float) <= MOST_ELEMENTS:
                return dims
            rank = max(low, rank - 1)

    def axis(self, rank):
        """An axis, perhaps counted from the end, as it stands and made positive"""
        if rank == 0:
            raise Skip
        axis = self.int(0, rank - 1)
        return (axis - rank if self.chance(0.4) else axis), axis

    def dtype(self, types, prefer=0.5):
        """One of the types; float32 more often than others"""
        types = sorted(set(types))
        if T.FLOAT in types and self.chance(prefer):
            return T.FLOAT
        return self.pick(types)

    # -------------------------------------------------------------- elements

    def array(self, dtype, shape, style=None):
        rng, n = self.rng, shape
        np_dtype = helper.tensor_dtype_to_np_dtype(dtype)
        if dtype == T.STRING:
            return np.array([self.pick(WORDS) for _ in range(int(np.prod(n)))], object).reshape(n)
        if dtype == T.BOOL:
            return rng.random(n) < 0.5
        if dtype in COMPLEX:
            return (rng.normal(size=n) + 1j * rng.normal(size=n)).astype(np_dtype)
        if dtype in INTS or dtype in UINTS:
            info = np.iinfo(np_dtype)
            if style == "full" or (style is None and self.chance(0.15)):
                return rng.integers(info.min, info.max, n, np_dtype, endpoint=True)
            low = 1 if style == "positive" else 0 if dtype in UINTS else -9
            return rng.integers(low, 9, n, endpoint=True).astype(np_dtype)
        if dtype in SUB_BYTE:
            bits = 4 if dtype in (T.INT4, T.UINT4) else 2
            low = -(1 << bits - 1) if dtype in (T.INT4, T.INT2) else 0
            return rng.integers(low, low + (1 << bits), n).astype(np_dtype)
        if style == "positive":
            values = rng.uniform(0.25, 4, n)
        elif style == "above":
            values = rng.uniform(1.1, 5, n)
        elif style == "unit":
            values = rng.uniform(-0.999, 0.999, n)
        elif style == "any" or (style is None and self.chance(0.1)):
            values = rng.normal(size=n) * 10.0 ** rng.integers(-3, 4, n)
        elif style is None and self.chance(0.4):
            values = rng.integers(-32, 33, n) / 8
        else:
            values = rng.normal(size=n) * 2
        if dtype == T.FLOAT8E8M0:
            values = 2.0 ** rng.integers(-4, 5, n)
        return np.asarray(values).astype(np.float32).astype(np_dtype) if dtype in NARROW else \
            np.asarray(values).astype(np_dtype)

    # -------------------------------------------------------------- values

    def fresh(self, stem):
        self.count += 1
        return f"{stem}{self.count}"

    def new(self, dtype, shape, style=None, constant=None):
        return self.hold(self.array(dtype, shape, style), dtype, constant)

    def hold(self, array, dtype=None, constant=None):
        """An input or (constant: surely) an initializer with these elements"""
        array = np.asarray(array)
        if dtype is None:
            dtype = helper.np_dtype_to_tensor_dtype(array.dtype)
        constant = self.chance(0.4) if constant is None else constant
        value = Value(self.fresh("c" if constant else "x"), dtype, array.shape, array, True)
        (self.initializers if constant else self.inputs).append(value)
        return value

    def mapping(self, items, key_type, value_type):
        """An input that is a map"""
        kind = helper.make_map_type_proto(key_type, helper.make_tensor_type_proto(value_type, []))
        if value_type != T.STRING:
            items = {k: helper.tensor_dtype_to_np_dtype(value_type).type(v) for k, v in items.items()}
        value = Value(self.fresh("x"), 0, None, items, True, kind)
        self.inputs.append(value)
        return value

    def ints(self, numbers, dtype=np.int64, constant=None):
        """A shape, axes and the like: mostly constant"""
        constant = self.chance(0.7) if constant is None else constant
        return self.hold(np.array(numbers, dtype), constant=constant)

    def data(self, types, low=0, high=8, style=None, exact=False, zero=True, dtype=None, dims=None):
        """What an operator works on: the pending result if it fits, else a new tensor."""
        value = self.pending
        if (value is not None and value.shape is not None and dims is None and style is None and
                value.dtype in types and (dtype is None or dtype == value.dtype) and
                low <= len(value.shape) <= high and (value.exact or not exact) and
                (zero or 0 not in value.shape)):
            self.pending = None
            return value
        dtype = dtype or self.dtype(types)
        return self.new(dtype, self.shape(low, high, zero) if dims is None else dims, style)

    def broadcast_partner(self, shape):
        """A shape that broadcasts with `shape`, and what comes out"""
        other = list(shape[self.int(0, len(shape)):] if self.chance(0.4) else shape)
        for i in range(len(other)):
            if self.chance(0.25):
                other[i] = 1
        if len(other) == len(shape) < 8 and self.chance(0.1) and np.prod(shape) < 500:
            other = [self.int(1, 3)] + other
        return tuple(other), np.broadcast_shapes(tuple(other), tuple(shape))

    # -------------------------------------------------------------- nodes

    def node(self, op, inputs, outputs, domain="", exact=None, **attributes):
        """Adds a node. outputs: (dtype, shape or None) of each, None: not wanted, or a TypeProto.
        Attributes that are None are left out."""
        if exact is None:
            exact = False
        results, names = [], []
        for output in outputs:
            if output is None:
                names.append("")
                continue
            value = Value(self.fresh("y"), 0, None, None, exact)
            if isinstance(output, onnx.TypeProto):
                value.type = output
            else:
                value.dtype, value.shape = output
                if value.shape is not None:
                    value.shape = tuple(int(d) for d in value.shape)
                    if np.prod(value.shape, dtype=float) > 20 * MOST_ELEMENTS:
                        raise Skip
            results.append(value)
            names.append(value.name)
        names_in = [v.name if v is not None else "" for v in inputs]
        while names_in and not names_in[-1]:
            names_in.pop()
        attributes = {k: v for k, v in attributes.items() if v is not None}
        kept = {k: v for k, v in attributes.items() if not isinstance(v, onnx.TypeProto)}
        node = helper.make_node(op, names_in, names, domain=domain, **kept)
        for key, attr in attributes.items():
            if isinstance(attr, onnx.TypeProto):
                node.attribute.append(helper.make_attribute(key, attr))
        self.nodes.append(node)
        self.values += results
        self.pending = results[0] if results else None
        return results[0] if len(results) == 1 else results

    def schema(self, name, domain=""):
        """The schema that holds at the graph's opset; Skip if there is none."""
        try:
            schema = onnx.defs.get_schema(name, self.ml_opset if domain else self.opset, domain)
        except onnx.defs.SchemaError:
            raise Skip from None
        if schema.deprecated:
            raise Skip
        return schema

    # -------------------------------------------------------------- the model

    def declared(self, value):
        if value.type is not None:
            return onnx.ValueInfoProto(name=value.name, type=value.type)
        shape = value.shape
        if shape is not None and self.chance(0.3):
            shape = [f"{value.name}_{i}" if self.chance(0.5) else d for i, d in enumerate(shape)]
        return helper.make_tensor_value_info(value.name, value.dtype, shape)

    def model(self):
        used = {name for node in self.nodes for name in node.input}
        wanted = [v for v in self.values if v.name not in used or self.chance(0.15)]
        self.outputs = wanted
        outputs = []
        for v in wanted:
            if v.type is not None:
                outputs.append(onnx.ValueInfoProto(name=v.name, type=v.type))
            else:
                outputs.append(helper.make_tensor_value_info(v.name, v.dtype, None))
        initializers = [numpy_helper.from_array(v.array, v.name) if v.dtype != T.STRING else
                        helper.make_tensor(v.name, T.STRING, v.array.shape,
                                           [s.encode() for s in v.array.ravel()])
                        for v in self.initializers]
        infos = [self.declared(v) for v in self.inputs]
        if self.opset < 9 and any(n.op_type == "x" for n in self.nodes):
            infos += [self.declared(v) for v in self.initializers]
        graph = helper.make_graph(self.nodes, "case", infos, outputs, initializers)
        imports = [helper.make_opsetid("", self.opset)]
        for domain in sorted({n.domain for n in self.nodes} - {""}):
            imports.append(helper.make_opsetid(domain, self.ml_opset if domain == "ai.onnx.ml" else 1))
        return helper.make_model(graph, opset_imports=imports, ir_version=10 if self.opset < 23 else 13)

    def feeds(self):
        return {v.name: v.array for v in self.inputs}
