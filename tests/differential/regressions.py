"""Small cases that the differential tester and the fuzz targets found. Each is a function that raises when it
goes wrong; each runs in a process of its own, as some crashed.

  regressions.py NAME
"""
import os
import pathlib
import sys

import numpy as np
from onnx import TensorProto, helper, numpy_helper

import engines

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(nodes, feeds, outputs, opset, constants=None):
    """The outputs at both ends of the levels"""
    infos = [helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
             for k, v in feeds.items()]
    outs = [helper.make_empty_tensor_value_info(n) for n in outputs]
    initializers = [numpy_helper.from_array(v, k) for k, v in (constants or {}).items()]
    graph = helper.make_graph(nodes, "case", infos, outs, initializers)
    imports = [helper.make_opsetid("", opset)]
    imports += [helper.make_opsetid(d, 1) for d in sorted({n.domain for n in nodes} - {""})]
    model = helper.make_model(graph, opset_imports=imports, ir_version=10)
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


def empty_view_is_written():
    """An empty result that is another view of an empty one has no memory"""
    x, axes = np.zeros((0, 7), np.float32), np.array([0], np.int64)
    nodes = [helper.make_node("Relu", ["x"], ["r"]), helper.make_node("Unsqueeze", ["r", "axes"], ["y"])]
    for got in run(nodes, {"x": x, "axes": axes}, ["y"], 22):
        assert got[0].shape == (1, 0, 7), got[0].shape


def norm_of_one_element_is_its_bias():
    """Mean and element cancel, whatever they are multiplied with"""
    x, one = np.array([[[512.345]]], np.float32), np.ones(1, np.float32)
    nodes = [helper.make_node("InstanceNormalization", ["x", "s", "b"], ["y"], epsilon=1e-3)]
    for got in run(nodes, {"x": x, "s": 3.75 * one, "b": 1.1169 * one}, ["y"], 12):
        np.testing.assert_array_equal(got[0], np.full((1, 1, 1), 1.1169, np.float32))


def skip_of_one_row_is_no_broadcast():
    """A dimension of 1 that input and skip share"""
    x, gamma = np.arange(6, dtype=np.float32).reshape(2, 1, 3), np.ones(3, np.float32)
    nodes = [helper.make_node("SkipSimplifiedLayerNormalization", ["x", "s", "g"], ["y"], domain="com.microsoft",
                              epsilon=0.0)]
    for got in run(nodes, {"x": x, "s": x, "g": gamma}, ["y"], 14):
        np.testing.assert_allclose(got[0], x / np.sqrt((x * x).mean(-1, keepdims=True)), rtol=1e-6)


def constants_of_a_gelu_that_broadcast():
    """Constants of more dimensions than what they meet: not a Gelu, which keeps the shape"""
    x = np.array([-1, 2], np.float32)
    nodes = [helper.make_node("Div", ["x", "root"], ["a"]), helper.make_node("Erf", ["a"], ["b"]),
             helper.make_node("Add", ["b", "one"], ["c"]), helper.make_node("Mul", ["c", "half"], ["d"]),
             helper.make_node("Mul", ["d", "x"], ["y"])]
    constants = {"root": np.full((1, 1), 2 ** 0.5, np.float32), "one": np.ones((), np.float32),
                 "half": np.full((), 0.5, np.float32)}
    for got in run(nodes, {"x": x}, ["y"], 20, constants):
        np.testing.assert_allclose(got[0], [[-0.158655, 1.954500]], rtol=1e-5)


def expand_keeps_dimensions_of_1():
    """Dropping or moving an Expand must not lose a dimension, nor let a constant add one"""
    x, two, shape = np.array([1, 2], np.float32), np.array([2], np.float32), np.array([1, 2], np.int64)
    nodes = [helper.make_node("Expand", ["x", "shape"], ["e"]), helper.make_node("Add", ["e", "x"], ["y"]),
             helper.make_node("Expand", ["s", "shape"], ["f"]), helper.make_node("Add", ["f", "two"], ["g"]),
             helper.make_node("Relu", ["g"], ["z"])]
    scalar = np.array(3, np.float32)
    for got in run(nodes, {"x": x, "s": scalar}, ["y", "z"], 15, {"shape": shape, "two": two}):
        np.testing.assert_array_equal(got[0], [[2, 4]])
        np.testing.assert_array_equal(got[1], [[5, 5]])


def classes_without_votes_do_not_win():
    """A negative vote for one class of three: it is still the only one that anybody voted for, unless
    another one got a vote of 0, even of -0"""
    leaf = {f"nodes_{k}": [0] for k in ("nodeids", "treeids", "featureids", "truenodeids", "falsenodeids")}
    for ids, weights, label in (([2], [-0.84], 2), ([2, 1], [-0.84, -0.0], 1)):
        node = helper.make_node("TreeEnsembleClassifier", ["x"], ["label", "scores"], domain="ai.onnx.ml",
                                nodes_modes=["LEAF"], nodes_values=[0.0], classlabels_int64s=[0, 1, 2],
                                class_nodeids=[0] * len(ids), class_treeids=[0] * len(ids), class_ids=ids,
                                class_weights=weights, **leaf)
        for got in run([node], {"x": np.ones((1, 2), np.float32)}, ["label", "scores"], 14):
            np.testing.assert_array_equal(got[0], [label])
            np.testing.assert_array_equal(got[1], np.array([[0, 0, -0.84]], np.float32))


def conv_as_wide_as_its_input_but_dilated():
    """The second element of the kernel reads padding"""
    x, w = np.array([[[3, 5]]], np.float32), np.array([[[7, 11]]], np.float32)
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], dilations=[2], pads=[0, 1])]
    for got in run(nodes, {"x": x, "w": w}, ["y"], 21):
        np.testing.assert_array_equal(got[0], [[[21]]])


def conv_of_as_many_elements_as_its_input():
    """A kernel of 2 by 3 on an input of 3 by 2, padded on the right"""
    x, w = np.arange(1, 7, dtype=np.float32).reshape(1, 1, 3, 2), np.ones((1, 1, 2, 3), np.float32)
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], pads=[0, 0, 0, 1], strides=[2, 1])]
    for got in run(nodes, {"x": x, "w": w}, ["y"], 21):
        np.testing.assert_array_equal(got[0], [[[[10]]]])


CASES = [node_without_outputs, empty_packed_copy, slice_with_uint16_lists,
         resize_scales_of_strings, empty_view_is_written, norm_of_one_element_is_its_bias,
         skip_of_one_row_is_no_broadcast, constants_of_a_gelu_that_broadcast,
         expand_keeps_dimensions_of_1, classes_without_votes_do_not_win, conv_as_wide_as_its_input_but_dilated, conv_of_as_many_elements_as_its_input]

if __name__ == "__main__":
    {case.__name__: case for case in CASES}[sys.argv[1]]()
