#!/usr/bin/env python3
"""ONNX Runtime runs what `corten optimize` writes at levels basic and extended, to the same outputs
as the model as it was. Models: those of tests/models, or the .onnx files given as arguments, each
with NAME.npz beside it (arrays in:NAME) or NAME without -classic or -dynamo."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy
import onnxruntime

HERE = pathlib.Path(__file__).resolve().parent
CORTEN = pathlib.Path(os.environ.get("CORTEN_BUILD", "build")) / "corten"
LEVELS = ("basic", "extended")
RTOL = 1e-4


def run(path, inputs):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]
    return dict(zip(names, session.run(names, inputs)))


def archive_of(model):
    own = model.with_suffix(".npz")
    common = model.with_name(re.sub(r"-(classic|dynamo)(-\d+)?$", "", model.stem) + ".npz")
    return own if own.exists() else common


def inputs_of(model):
    with numpy.load(archive_of(model)) as arrays:
        return {name[3:]: arrays[name] for name in arrays.files if name.startswith("in:")}


def check(model, level, folder):
    out = pathlib.Path(folder) / "optimized.onnx"
    large = model.stat().st_size > 1 << 20 or model.with_suffix(".onnx.data").exists()
    command = [CORTEN, "optimize", model, out, "--level", level]
    command += ["--external-data"] if large else []
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    inputs = inputs_of(model)
    expected, found = run(model, inputs), run(out, inputs)
    assert list(expected) == list(found), f"outputs are {list(found)}"
    for name, array in expected.items():
        assert array.dtype == found[name].dtype and array.shape == found[name].shape, name
        error = numpy.abs(array.astype("f8") - found[name].astype("f8")).max(initial=0)
        limit = RTOL * max(1e-6, numpy.abs(array).max(initial=0))
        assert error <= limit, f"output '{name}' is off by {error:g}, allowed {limit:g}"


def main():
    models = [pathlib.Path(arg).resolve() for arg in sys.argv[1:]]
    models = models or sorted((HERE.parent / "models").glob("*.onnx"))
    assert models
    failed = 0
    for model in models:
        for level in LEVELS:
            with tempfile.TemporaryDirectory() as folder:
                try:
                    check(model, level, folder)
                except Exception as error:  # each model is told of by itself
                    failed += 1
                    print(f"FAILED {model.name} at {level}: {str(error)[:400]}")
    print(f"{len(models)} models, {failed} failures")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
