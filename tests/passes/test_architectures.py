#!/usr/bin/env python3
"""The small models of many architectures, optimised: ONNX Runtime at its highest level leaves no
fewer nodes, no level makes the model compute or move more by the estimates, and every value that is
left stays what it was. (Blocks are counted in test_levels.c; what ONNX Runtime makes of saved models
is in test_ort_roundtrip.py.)

    test_architectures.py [MODEL.onnx ...]     # others, each with NAME.npz
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import onnx
import onnxruntime

import test_ort_roundtrip as roundtrip

CORTEN = roundtrip.CORTEN
MODELS = pathlib.Path(__file__).resolve().parent.parent / "models"
LEVELS = ("disable", "basic", "extended", "layout", "all")


def optimize(model, *arguments):
    done = subprocess.run([CORTEN, "optimize", model, "--json", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-400:]
    return json.loads(done.stdout)


def count_nodes(graph):
    inner = [a.g for n in graph.node for a in n.attribute if a.type == onnx.AttributeProto.GRAPH]
    return len(graph.node) + sum(map(count_nodes, inner))


def nodes_of_ort(model, folder):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.optimized_model_filepath = str(pathlib.Path(folder) / "ort.onnx")
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    return count_nodes(onnx.load(options.optimized_model_filepath, load_external_data=False).graph)


def check_cost(model, dims):
    """Estimates need numbers for all dimensions."""
    before = None
    for level in LEVELS:
        report = optimize(model, "--level", level, *dims)
        after = report["after"]
        if before and "flops" in after and "flops" in before:
            for what in ("flops", "bytes"):
                assert after[what] <= before[what], f"{what} at {level}: {before[what]:g} to {after[what]:g}"
        before = after


def dims_of(model):
    """--dim for every symbol of the inputs, from the arrays."""
    arrays = roundtrip.inputs_of(model)
    found = {}
    for value in onnx.load(model, load_external_data=False).graph.input:
        shape = value.type.tensor_type.shape.dim
        found |= {d.dim_param: n for d, n in zip(shape, arrays[value.name].shape) if d.dim_param}
    return [a for name, n in found.items() for a in ("--dim", f"{name}={n}")]


def check(model, folder):
    report = optimize(model, "--explain")
    left = {kind: entry["left"] for kind, entry in report["fused"].items() if entry["left"]}
    assert not left, f"left over: {left}"
    most = nodes_of_ort(model, folder)
    assert report["after"]["nodes"] <= most, f"{report['after']['nodes']} nodes, ONNX Runtime has {most}"
    check_cost(model, dims_of(model))
    archive = roundtrip.archive_of(model)
    for level in LEVELS[1:]:
        done = subprocess.run([CORTEN, "verify", model, "--inputs", archive, "--level", level],
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{level}: {done.stderr[-300:]}"
    print(f"{model.name}: nodes {report['before']['nodes']} -> {report['after']['nodes']}, ONNX Runtime {most}")


def main():
    models = [pathlib.Path(arg).resolve() for arg in sys.argv[1:]] or sorted(MODELS.glob("*.onnx"))
    assert models
    failed = 0
    for model in models:
        with tempfile.TemporaryDirectory() as folder:
            try:
                check(model, folder)
            except Exception as error:  # each model is told of by itself
                failed += 1
                print(f"FAILED {model.name}: {str(error)[:400]}")
    print(f"{len(models)} models, {failed} failures")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
