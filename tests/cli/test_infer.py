#!/usr/bin/env python3
"""What `corten infer` writes for the models of tests/models: every value has a type and a shape,
symbolic where it must be, that says no less than onnx's own inference; onnx's checker and ONNX
Runtime take it, and ONNX Runtime computes from it what it computes from the model as it was."""
import os
import pathlib
import subprocess
import tempfile
import unittest

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, parser

ROOT = pathlib.Path(__file__).resolve().parents[2]
CORTEN = pathlib.Path(os.environ.get("CORTEN_BUILD", ROOT / "build")) / "corten"


def infer(model, folder, *options):
    """The model that is written, and what is printed."""
    path, out = pathlib.Path(folder) / "model.onnx", pathlib.Path(folder) / "inferred.onnx"
    onnx.save(model, path)
    done = subprocess.run([CORTEN, "infer", path, out, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    onnx.checker.check_model(out, full_check=True)
    return onnx.load(out), done.stdout


def shapes(model):
    """Numbers, symbols as text, None where nothing is said."""
    return {v.name: [d.dim_value if d.HasField("dim_value") else d.dim_param or None
                     for d in v.type.tensor_type.shape.dim]
            for v in model.graph.value_info if v.type.HasField("tensor_type")}


def run(model, inputs):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)


SYMBOLS = """<ir_version: 8, opset_import: ["" : 17]> g (float[batch,seq,4] x, int64[n] i) => (float[r,c] y) {
    a = Concat<axis=1>(x, x) b = Reshape(a, flat) c = Gather(b, i) d = MatMul(c, w) z = NonZero(d) e = Cast<to=1>(z)
    y = Transpose(e)}"""


class Infer(unittest.TestCase):
    def symbols(self):
        model = parser.parse_model(SYMBOLS)
        model.graph.initializer.append(onnx.helper.make_tensor("flat", TensorProto.INT64, [2], [-1, 4]))
        model.graph.initializer.append(onnx.helper.make_tensor("w", TensorProto.FLOAT, [4, 6], [1] * 24))
        return model

    def test_symbols_and_their_expressions(self):
        with tempfile.TemporaryDirectory() as folder:
            found, text = infer(self.symbols(), folder)
            self.assertEqual(shapes(found), {"a": ["batch", "2 * seq", 4], "b": ["2 * batch * seq", 4], "c": ["n", 4],
                                             "d": ["n", 6], "z": [2, None], "e": [2, None]})
            self.assertEqual(text.splitlines()[-1], "0 values have shapes of numbers, 5 shapes with symbols, 2 are not known")
            x = {"x": numpy.ones((2, 3, 4), "f4"), "i": numpy.array([0, 11, 5])}
            numpy.testing.assert_array_equal(run(found, x)[0], run(self.symbols(), x)[0])

    def test_dimensions_that_are_fixed(self):
        with tempfile.TemporaryDirectory() as folder:
            found, _ = infer(self.symbols(), folder, "--dim", "batch=2", "--dim", "seq=5")
            self.assertEqual(shapes(found)["b"], [20, 4])
            self.assertEqual(shapes(found)["d"], ["n", 6])

    def test_models(self):
        models = sorted((ROOT / "tests/models").glob("*.onnx"))
        self.assertTrue(models)
        for path in models:
            with self.subTest(path.name), tempfile.TemporaryDirectory() as folder:
                model = onnx.load(path)
                found = shapes(infer(model, folder)[0])
                made = {o for n in model.graph.node for o in n.output if o} - {o.name for o in model.graph.output}
                self.assertEqual(made - found.keys(), set())
                reference = onnx.shape_inference.infer_shapes(model, data_prop=True)
                for name, dims in shapes(reference).items():
                    if any(isinstance(d, int) for d in dims):
                        self.assertEqual(len(dims), len(found[name]), name)
                    for expected, dim in zip(dims, found[name]):
                        if isinstance(expected, int):
                            self.assertEqual(dim, expected, name)
                onnxruntime.InferenceSession(os.path.join(folder, "inferred.onnx"), providers=["CPUExecutionProvider"])


if __name__ == "__main__":
    unittest.main()
