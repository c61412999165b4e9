#!/usr/bin/env python3
"""Write the ONNX backend test suite of the installed onnx package to a folder.

    python scripts/make_suite.py build/suite

A case is a folder KIND/NAME with model.onnx, tolerance.txt ("rtol atol") and, for every data set N,
test_data_set_N/input_M.pb and output_M.pb: a serialized TensorProto, SequenceProto, OptionalProto
or MapProto, as the graph declares it. KIND is node, simple, pytorch-converted, pytorch-operator or
light. A folder that this version of onnx and of this script has written already is left alone.
"""
import hashlib
import pathlib
import shutil
import sys
import warnings

import numpy as np
import onnx
from onnx import numpy_helper

DATA = pathlib.Path(onnx.__file__).parent / "backend" / "test" / "data"
STORED_KINDS = ("simple", "pytorch-converted", "pytorch-operator")
STORED_TOLERANCE = (1e-3, 1e-5)  # what the runner of the onnx package compares stored cases with

PROTOS = (onnx.TensorProto, onnx.SequenceProto, onnx.OptionalProto, onnx.MapProto,
          onnx.SparseTensorProto)
FROM_PYTHON = {
    "tensor_type": lambda value, name: numpy_helper.from_array(np.asarray(value), name),
    "sequence_type": numpy_helper.from_list,
    "optional_type": numpy_helper.from_optional,
    "map_type": numpy_helper.from_dict,
}


def serialized(value, info):
    """`value` as the kind of proto that the type of the graph's value `info` asks for."""
    if not isinstance(value, PROTOS):
        value = FROM_PYTHON[info.type.WhichOneof("value")](value, info.name)
    return value.SerializeToString()


def write_tolerance(folder, rtol, atol):
    (folder / "tolerance.txt").write_text(f"{rtol} {atol}\n")


def write_values(folder, prefix, values):
    folder.mkdir(parents=True, exist_ok=True)
    for index, value in enumerate(values):
        (folder / f"{prefix}_{index}.pb").write_bytes(value)


def write_node_cases(root):
    """Cases of single operators exist as code that makes models, inputs and outputs."""
    from onnx.backend.test.case.node import collect_testcases
    for case in collect_testcases():
        folder = root / case.name
        graph = case.model.graph
        folder.mkdir(parents=True)
        onnx.save(case.model, folder / "model.onnx")
        write_tolerance(folder, case.rtol, case.atol)
        for number, (inputs, outputs) in enumerate(case.data_sets or []):
            data = folder / f"test_data_set_{number}"
            write_values(data, "input", map(serialized, inputs, graph.input))
            write_values(data, "output", map(serialized, outputs, graph.output))


def write_stored_cases(root, kind):
    for source in (DATA / kind).iterdir():
        if source.is_dir():
            shutil.copytree(source, root / source.name)
            write_tolerance(root / source.name, *STORED_TOLERANCE)


def ramp(info):
    """0 to 1 over the elements: what the stored outputs of whole networks were made with."""
    shape = [dim.dim_value or 1 for dim in info.type.tensor_type.shape.dim]
    count = int(np.prod(shape))
    return (np.arange(count) / count).astype(np.float32).reshape(shape)


def write_networks(root):
    """Whole networks with constant weights; only their outputs are stored."""
    for source in (DATA / "light").glob("*.onnx"):
        graph = onnx.load(source).graph
        weights = {tensor.name for tensor in graph.initializer}
        inputs = [info for info in graph.input if info.name not in weights]
        folder = root / source.stem
        data = folder / "test_data_set_0"
        write_values(data, "input", (serialized(ramp(info), info) for info in inputs))
        write_values(data, "output", (
            (source.parent / f"{source.stem}_output_{index}.pb").read_bytes()
            for index in range(len(graph.output))))
        shutil.copy(source, folder / "model.onnx")
        write_tolerance(folder, *STORED_TOLERANCE)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    warnings.filterwarnings("ignore")
    root = pathlib.Path(sys.argv[1])
    made_by = f"{onnx.__version__} {hashlib.sha256(pathlib.Path(__file__).read_bytes()).hexdigest()}\n"
    stamp = root.with_name(root.name + ".stamp")
    if root.is_dir() and stamp.exists() and stamp.read_text() == made_by:
        return
    shutil.rmtree(root, ignore_errors=True)
    write_node_cases(root / "node")
    for kind in STORED_KINDS:
        write_stored_cases(root / kind, kind)
    write_networks(root / "light")
    counts = {kind.name: sum(1 for _ in kind.iterdir()) for kind in sorted(root.iterdir())}
    print(f"{root}: {sum(counts.values())} cases:",
          ", ".join(f"{kind} {count}" for kind, count in counts.items()))
    stamp.write_text(made_by)


if __name__ == "__main__":
    main()
