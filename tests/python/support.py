"""What the tests of the Python package share: the package itself, and small models."""
import os
import pathlib
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = (ROOT / os.environ.get("CORTEN_BUILD", "build")).resolve()
PACKAGE = BUILD / "python"

# CORTEN_INSTALLED: test the package that is installed, not the one of the build.
if not os.environ.get("CORTEN_INSTALLED"):
    if not (PACKAGE / "corten" / "_corten.abi3.so").exists():
        print(f"skipped: {PACKAGE} holds no package; it is built where Python's headers are")
        sys.exit(0)
    sys.path.insert(0, str(PACKAGE))
    os.environ["PYTHONPATH"] = str(PACKAGE)

import onnx  # noqa: E402
from onnx import TensorProto, helper  # noqa: E402

import corten  # noqa: E402
import onnxruntime  # noqa: E402

RUNTIMES = (corten, onnxruntime)


def model(nodes, inputs, outputs, initializers=(), opset=17, ir_version=8, **properties):
    """A serialized model; inputs and outputs are (name, type, shape) or ValueInfoProtos."""
    def info(value):
        return (value if isinstance(value, onnx.ValueInfoProto) else
                helper.make_tensor_value_info(*value))
    graph = helper.make_graph(nodes, "g", list(map(info, inputs)), list(map(info, outputs)),
                              list(initializers))
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)],
                              ir_version=ir_version, producer_name="corten-tests")
    helper.set_model_props(proto, properties)
    return proto.SerializeToString()


def add_model(shape=(3, 4, 5)):
    return model([helper.make_node("Add", ["a", "b"], ["c"])],
                 [("a", TensorProto.FLOAT, shape), ("b", TensorProto.FLOAT, shape)],
                 [("c", TensorProto.FLOAT, shape)])


def identity_model(element_type, shape=("n", "m"), opset=25, ir_version=13):
    return model([helper.make_node("Identity", ["x"], ["y"])], [("x", element_type, shape)],
                 [("y", element_type, shape)], opset=opset, ir_version=ir_version)


def slow_model(steps=20000):
    """A loop whose body works for a while; its number of steps is the input."""
    body = helper.make_graph(
        [helper.make_node("MatMul", ["v", "w"], ["p"]), helper.make_node("Tanh", ["p"], ["q"]),
         helper.make_node("Identity", ["go"], ["go_on"])],
        "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []),
         helper.make_tensor_value_info("go", TensorProto.BOOL, []),
         helper.make_tensor_value_info("v", TensorProto.FLOAT, [256, 256])],
        [helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
         helper.make_tensor_value_info("q", TensorProto.FLOAT, [256, 256])],
        [helper.make_tensor("w", TensorProto.FLOAT, [256, 256], [0.001] * 65536)])
    return model([helper.make_node("Loop", ["n", "", "x"], ["y"], body=body)],
                 [("n", TensorProto.INT64, []), ("x", TensorProto.FLOAT, [256, 256])],
                 [("y", TensorProto.FLOAT, [256, 256])])


def main():
    unittest.main(verbosity=1)
