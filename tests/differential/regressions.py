"""Small cases that the differential tester and the fuzz targets found. Each is a function that raises when it
goes wrong; each runs in a process of its own, as some crashed.

  regressions.py NAME
"""
import os
import pathlib
import sys

import numpy as np
from onnx import TensorProto, helper

import engines

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(nodes, feeds, outputs, opset):
    """The outputs at both ends of the levels"""
    infos = [helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
             for k, v in feeds.items()]
    outs = [helper.make_empty_tensor_value_info(n) for n in outputs]
    graph = helper.make_graph(nodes, "case", infos, outs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    build = pathlib.Path(os.environ.get("CORTEN_BUILD", ROOT / "build"))
    corten = engines.Corten(build / "libcorten.so")
    return [corten.run(model, feeds, outputs, level, 1) for level in ("disable", "all")]


def node_without_outputs():
    """A node none of whose outputs anybody wants"""
    x = np.array([-1, 2], np.float32)
    for outputs in ([], [""]):
        nodes = [helper.make_node("CastLike", ["x", "x"], outputs), helper.make_node("Relu", ["x"], ["y"])]
        for got in run(nodes, {"x": x}, ["y"], 18):
            np.testing.assert_array_equal(got[0], [0, 2])


def empty_packed_copy():
    """Moving no elements of a type below 8 bits"""
    x = np.zeros((0, 3), helper.tensor_dtype_to_np_dtype(TensorProto.INT4))
    for got in run([helper.make_node("Transpose", ["x"], ["y"])], {"x": x}, ["y"], 21):
        assert got[0].shape == (3, 0), got[0].shape


def slice_with_uint16_lists():
    """Lists of a type that Slice does not allow are refused, not read as another one"""
    x = np.arange(6, dtype=np.float32)
    one = np.array([1], np.uint16)
    nodes = [helper.make_node("Slice", ["x", "s", "e", "a"], ["y"])]
    try:
        run(nodes, {"x": x, "s": one, "e": one * 4, "a": one * 0}, ["y"], 13)
    except engines.Failure as failure:
        assert "uint16" in str(failure), failure
    else:
        raise AssertionError("it ran")


def resize_scales_of_strings():
    """Scales, sizes and regions of other types are refused before they are read"""
    x = np.ones((2, 3), np.float32)
    value = helper.make_tensor("s", TensorProto.STRING, [2], [b"1", b"2"])
    nodes = [helper.make_node("Constant", [], ["s"], value=value),
             helper.make_node("Resize", ["x", "", "s"], ["y"])]
    try:
        run(nodes, {"x": x}, ["y"], 13)
    except engines.Failure as failure:
        assert "string" in str(failure), failure
    else:
        raise AssertionError("it ran")


CASES = [node_without_outputs, empty_packed_copy, slice_with_uint16_lists,
         resize_scales_of_strings]

if __name__ == "__main__":
    {case.__name__: case for case in CASES}[sys.argv[1]]()
