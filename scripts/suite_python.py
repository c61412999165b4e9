#!/usr/bin/env python3
"""Run the ONNX backend suite through the Python package; the last line is the sum.

    PYTHONPATH=build/python build/venv/bin/python scripts/suite_python.py build/suite [PATTERN]
        [--exceptions tests/conformance/exceptions.txt] [--draws tests/conformance/draws.txt]

Inputs and expected outputs are read with the onnx package and handed over as NumPy arrays, lists,
dicts and None, so that every conversion of the package is used. A case that is listed as an
exception must fail, as in `corten test`; what is listed as draws is checked as its distribution says.
"""
import argparse
import fnmatch
import pathlib
import sys

import numpy as np
import onnx
from onnx import numpy_helper

import corten

PROTOS = {
    "tensor_type": (onnx.TensorProto, numpy_helper.to_array),
    "sequence_type": (onnx.SequenceProto, numpy_helper.to_list),
    "optional_type": (onnx.OptionalProto, numpy_helper.to_optional),
    "map_type": (onnx.MapProto, numpy_helper.to_dict),
}


def load(path, type_proto):
    kind, convert = PROTOS[type_proto.WhichOneof("value")]
    proto = kind()
    proto.ParseFromString(path.read_bytes())
    return convert(proto)


def compare(found, expected, rtol, atol, where):
    if expected is None or isinstance(expected, dict):
        assert found == expected, f"{where}: {found!r}, expected {expected!r}"
    elif isinstance(expected, list):
        assert len(found) == len(expected), f"{where}: {len(found)} items, not {len(expected)}"
        for index, (f, e) in enumerate(zip(found, expected)):
            compare(f, e, rtol, atol, f"{where}[{index}]")
    else:
        found, expected = np.asarray(found), np.asarray(expected)
        assert found.shape == expected.shape, f"{where}: {found.shape}, not {expected.shape}"
        if expected.dtype.kind in "OUS":
            assert found.astype(str).tolist() == expected.astype(str).tolist(), where
            return
        assert found.dtype == expected.dtype, f"{where}: {found.dtype}, not {expected.dtype}"
        if expected.dtype.name == "bfloat16":
            rtol = max(rtol, 2**-6)  # two units in the last place, as `corten test` allows
        if expected.dtype.kind == "V":
            found, expected = found.astype(np.float32), expected.astype(np.float32)
        elif expected.dtype.kind not in "fcb":
            found, expected = found.astype(np.int64), expected.astype(np.int64)
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol, err_msg=where)


def run_case(folder):
    rtol, atol = map(float, (folder / "tolerance.txt").read_text().split())
    graph = onnx.load(folder / "model.onnx", load_external_data=False).graph
    types = {info.name: info.type for info in graph.input}
    session = corten.InferenceSession(folder / "model.onnx")
    names = [info.name for info in session.get_inputs()]
    if len(list(folder.glob("test_data_set_0/input_*.pb"))) > len(names):
        names = [info.name for info in graph.input]
    for data in sorted(folder.glob("test_data_set_*")):
        count = len(list(data.glob("input_*.pb")))
        feed = {name: load(data / f"input_{index}.pb", types[name])
                for index, name in enumerate(names[:count])}
        outputs = session.run(None, feed)
        assert len(outputs) == len(graph.output), "number of outputs"
        for index, info in enumerate(graph.output):
            path = data / f"output_{index}.pb"
            if path.exists():
                compare(outputs[index], load(path, info.type), rtol, atol, info.name)


DRAWS = 1000  # and how far frequencies may be off: as in cli/distribution.c
COMPLEMENT = {"bernoulli": False, "bernoulli-complement": True}


def seeds_of(model):
    return [attr for node in model.graph.node for attr in node.attribute if attr.name == "seed"]


def run_draws(folder, distribution):
    """Outputs are 0 or 1, as often as the input says, and the same for the same seed."""
    model = onnx.load(folder / "model.onnx")
    seeds, data = seeds_of(model), folder / "test_data_set_0"
    x = load(data / "input_0.pb", model.graph.input[0].type)
    expected = load(data / "output_0.pb", model.graph.output[0].type)
    feed = {model.graph.input[0].name: x}
    p = 1 - x.astype(float) if COMPLEMENT[distribution] else x.astype(float)
    ones, session = np.zeros(x.shape), None
    for draw in range(DRAWS):
        for seed in seeds:
            seed.f = draw
        if seeds or not draw:
            session = corten.InferenceSession(model.SerializeToString())
        y = session.run(None, feed)[0]
        assert (y.dtype, y.shape) == (expected.dtype, expected.shape), f"{y.dtype}{list(y.shape)}"
        assert np.all(((y == 0) & (p < 1)) | ((y == 1) & (p > 0))), f"{y} of probabilities {p}"
        if seeds and draw < 20:
            again = corten.InferenceSession(model.SerializeToString())
            for other in (session, again):
                assert np.array_equal(y, other.run(None, feed)[0]), "the same seed gives another output"
        ones += y == 1
    most = 6 * np.sqrt(DRAWS * p * (1 - p)) + 12
    assert np.all(np.abs(ones - DRAWS * p) <= most), f"{ones} of {DRAWS}, probabilities {p}"


def read_list(path):
    """{name: the word behind it}"""
    lines = path.read_text().splitlines() if path else []
    return {line.split()[0]: line.split()[1]
            for line in lines if line.strip() and not line.startswith("#")}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("suite", type=pathlib.Path)
    parser.add_argument("pattern", nargs="?", default="*")
    parser.add_argument("--exceptions", type=pathlib.Path)
    parser.add_argument("--draws", type=pathlib.Path)
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    exceptions, draws = read_list(args.exceptions), read_list(args.draws)
    corten.set_default_logger_severity(3)
    passed = failed = expected = drawn = 0
    for folder in sorted(args.suite.glob("*/*")):
        name = f"{folder.parent.name}/{folder.name}"
        if not (fnmatch.fnmatch(name, args.pattern) or fnmatch.fnmatch(folder.name, args.pattern)):
            continue
        listed = folder.name in exceptions or name in exceptions
        try:
            if folder.name in draws:
                run_draws(folder, draws[folder.name])
                drawn += 1
            else:
                run_case(folder)
            text = "passes, but is listed as an exception" if listed else ""
        except Exception as error:  # pylint: disable=broad-except
            if listed:
                expected += 1
                continue
            text = f"{type(error).__name__}: {error}"[:500]
        if text:
            failed += 1
            print(f"FAILED  {name}: {' '.join(text.split())}")
        else:
            passed += 1
            if args.verbose:
                print(f"passed  {name}")
    print(f"{passed} passed ({drawn} of them by distribution), {failed} failed, "
          f"{expected} failed as expected")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
