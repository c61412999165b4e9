#!/usr/bin/env python3
"""Writes the seeds of fuzz_model: tiny models that together use every message.

usage: make_model_seeds.py FOLDER
"""
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def info(name, shape=(2, 3), dtype=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, dtype, shape)


def simple():
    w = numpy_helper.from_array(np.arange(6, dtype=np.float32).reshape(2, 3), "w")
    b = helper.make_tensor("b", TensorProto.FLOAT, [3], [1.0, 2.0, 3.0])
    nodes = [helper.make_node("Add", ["x", "w"], ["s"], name="n0"),
             helper.make_node("Mul", ["s", "b"], ["y"], name="n1", domain="", doc_string="d")]
    graph = helper.make_graph(nodes, "g", [info("x", ("N", 3))], [info("y", ("N", 3))], [w, b],
                              value_info=[info("s", ("N", None))])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
    model.metadata_props.add(key="k", value="v")
    return model


def control():
    then = helper.make_graph([helper.make_node("Relu", ["x"], ["t"])], "then", [], [info("t")])
    other = helper.make_graph([helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(
        np.zeros((2, 3), np.float32), "cv"))], "else", [], [info("c")])
    nodes = [helper.make_node("If", ["p"], ["y"], then_branch=then, else_branch=other),
             helper.make_node("Thing", ["x", "", "p"], ["a", "", "b"], domain="custom",
                              floats=[1.0, 2.0], ints=[1, -1], strings=["a", "b"], f=0.5, i=3,
                              s="text")]
    graph = helper.make_graph(nodes, "g", [info("x"), info("p", (), TensorProto.BOOL)],
                              [info("y"), helper.make_empty_tensor_value_info("a")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17),
                                                   helper.make_opsetid("custom", 1)])


def function():
    body = [helper.make_node("Mul", ["a", "a"], ["m"]),
            helper.make_node("LeakyRelu", ["m"], ["r"])]
    ref = onnx.AttributeProto(name="alpha", type=onnx.AttributeProto.FLOAT, ref_attr_name="slope")
    body[1].attribute.append(ref)
    opsets = [helper.make_opsetid("", 20)]
    f = helper.make_function("local", "F", ["a"], ["r"], body, opsets, ["slope"])
    nodes = [helper.make_node("F", ["x"], ["h"], domain="local", slope=0.1),
             helper.make_node("F", ["h"], ["y"], domain="local", slope=0.2)]
    graph = helper.make_graph(nodes, "g", [info("x")], [info("y")])
    return helper.make_model(graph, functions=[f],
                             opset_imports=opsets + [helper.make_opsetid("local", 1)])


def storages():
    tensors, types = [], [TensorProto.DOUBLE, TensorProto.INT32, TensorProto.INT64,
                          TensorProto.UINT64, TensorProto.BOOL, TensorProto.FLOAT16,
                          TensorProto.UINT4, TensorProto.INT4, TensorProto.FLOAT8E4M3FN,
                          TensorProto.COMPLEX64, TensorProto.UINT2]
    for i, dtype in enumerate(types):
        tensors.append(helper.make_tensor(f"t{i}", dtype, [3], [0, 1, 1]))
    tensors.append(helper.make_tensor("s", TensorProto.STRING, [2], [b"ab", b""]))
    nodes = [helper.make_node("Use", [t.name for t in tensors], ["y"], domain="custom")]
    graph = helper.make_graph(nodes, "g", [], [helper.make_empty_tensor_value_info("y")], tensors)
    values = helper.make_tensor("sp", TensorProto.FLOAT, [2], [1.0, 2.0])
    indices = helper.make_tensor("", TensorProto.INT64, [2], [1, 5])
    graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [2, 3]))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("custom", 1)])


def types():
    seq = helper.make_sequence_type_proto(helper.make_tensor_type_proto(1, ["a", 2]))
    inputs = [helper.make_value_info("q", seq),
              helper.make_value_info("o", helper.make_optional_type_proto(seq)),
              helper.make_value_info("m", helper.make_map_type_proto(
                  7, helper.make_tensor_type_proto(1, None))),
              helper.make_value_info("p", helper.make_sparse_tensor_type_proto(1, [4]))]
    nodes = [helper.make_node("Use", ["q", "o", "m", "p"], ["y"], domain="custom",
                              t=helper.make_tensor_type_proto(1, [1]))]
    graph = helper.make_graph(nodes, "g", inputs, [info("y")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("custom", 1)],
                              ir_version=3)
    training = model.training_info.add()
    training.algorithm.name = "train"
    return model


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for make in (simple, control, function, storages, types):
        (folder / f"{make.__name__}.onnx").write_bytes(make().SerializeToString())


if __name__ == "__main__":
    main()
