#!/usr/bin/env python3
"""Reads models with Corten, writes them again, and compares both with the onnx package.

usage: roundtrip.py [--external] TOOL PATH...

TOOL is corten-roundtrip; each PATH is a .onnx or .pb file, or a folder to look for them in. What
differs in form only is made the same before the comparison: where elements are stored, the order
of initializers and value_info, packed fields, and fields that hold their default.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

import onnx
from onnx import external_data_helper, numpy_helper

DATA_FIELDS = ("float_data", "int32_data", "int64_data", "uint64_data", "double_data",
               "external_data", "data_location")
# Presence matters for the value of an attribute, a dimension or a type, not for these.
SCALARS = (int, float, str, bytes, bool)


def is_repeated(field):
    if hasattr(field, "is_repeated"):
        return field.is_repeated
    return field.label == field.LABEL_REPEATED


def normalise_tensor(tensor, folder):
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        external_data_helper.load_external_data_for_tensor(tensor, folder)
    if tensor.data_type != onnx.TensorProto.STRING and not tensor.HasField("raw_data"):
        if tensor.data_type in (onnx.TensorProto.UNDEFINED,):
            return
        array = numpy_helper.to_array(tensor)
        tensor.raw_data = numpy_helper.from_array(array).raw_data
    for field in DATA_FIELDS:
        tensor.ClearField(field)


def normalise(message, folder):
    """In place: storage, order and defaults."""
    name = type(message).__name__
    if name == "TensorProto":
        normalise_tensor(message, folder)
    if name == "ModelProto" and message.ir_version < 3 and not message.opset_import:
        message.opset_import.add(domain="", version=1)
    for field, value in list(message.ListFields()):
        if field.message_type is not None:
            for item in value if is_repeated(field) else [value]:
                normalise(item, folder)
        elif field.name == "domain" and value == "ai.onnx":
            message.ClearField("domain")
        elif (not is_repeated(field) and isinstance(value, SCALARS)
              and value in ("", 0) and name not in ("AttributeProto", "Dimension", "TensorProto")):
            message.ClearField(field.name)
    # The tensors of a Constant and the text of an empty document.
    for text in ("doc_string", "name", "denotation"):
        if text in message.DESCRIPTOR.fields_by_name and not getattr(message, text):
            message.ClearField(text)
    if name == "GraphProto":
        for field in ("initializer", "value_info"):
            items = sorted(getattr(message, field), key=lambda item: item.name)
            message.ClearField(field)
            getattr(message, field).extend(items)
        declared = {info.name for info in list(message.input) + list(message.output)}
        kept = [info for info in message.value_info if info.name not in declared]
        message.ClearField("value_info")
        message.value_info.extend(kept)
    if name == "FunctionProto":
        items = sorted(message.value_info, key=lambda item: item.name)
        message.ClearField("value_info")
        message.value_info.extend(items)
    if name == "TypeProto" and message.WhichOneof("value") == "tensor_type":
        if not message.tensor_type.ListFields() and not message.denotation:
            message.ClearField("tensor_type")
    if name == "ValueInfoProto" and message.HasField("type") and not message.type.ListFields():
        message.ClearField("type")


def first_difference(a, b, path=""):
    if type(a) is not type(b):
        return f"{path}: {type(a)} {type(b)}"
    fields = {f.name for f, _ in a.ListFields()} | {f.name for f, _ in b.ListFields()}
    for name in sorted(fields):
        x, y = getattr(a, name), getattr(b, name)
        if x == y:
            continue
        field = a.DESCRIPTOR.fields_by_name[name]
        if field.message_type is None:
            return f"{path}.{name}: {str(x)[:200]!r} became {str(y)[:200]!r}"
        if not is_repeated(field):
            if a.HasField(name) != b.HasField(name):
                return f"{path}.{name}: {a.HasField(name)} {b.HasField(name)}"
            return first_difference(x, y, f"{path}.{name}")
        if len(x) != len(y):
            return f"{path}.{name}: {len(x)} items became {len(y)}"
        for i, (p, q) in enumerate(zip(x, y)):
            if p != q:
                return first_difference(p, q, f"{path}.{name}[{i}]")
    return f"{path}: differs (NaN or unknown fields)"


def load(path, cls):
    message = cls()
    message.ParseFromString(path.read_bytes())
    normalise(message, str(path.parent))
    return message


def same(a, b):
    return a.SerializeToString(deterministic=True) == b.SerializeToString(deterministic=True)


def value_class(path):
    """TensorProto, SequenceProto or OptionalProto, from what the model says of the input."""
    stem, _, index = path.stem.rpartition("_")
    model_path = path.parent.parent / "model.onnx"
    if not model_path.exists() or not index.isdigit():
        return None
    model = onnx.load(model_path, load_external_data=False)
    infos = {"input": model.graph.input, "output": model.graph.output}.get(stem)
    if infos is None or int(index) >= len(infos):
        return None
    kind = infos[int(index)].type.WhichOneof("value")
    return {"tensor_type": ("tensor", onnx.TensorProto),
            "sequence_type": ("sequence", onnx.SequenceProto),
            "optional_type": ("optional", onnx.OptionalProto),
            "map_type": ("map", onnx.MapProto),
            "sparse_tensor_type": ("sparse", onnx.SparseTensorProto)}.get(kind)


def find(paths):
    for path in map(pathlib.Path, paths):
        if path.is_dir():
            yield from sorted(path.rglob("*.onnx"))
            yield from sorted(path.rglob("*.pb"))
        else:
            yield path


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--external", action="store_true")
    parser.add_argument("tool")
    parser.add_argument("paths", nargs="+")
    options = parser.parse_args()
    jobs, failed = [], 0
    with tempfile.TemporaryDirectory() as folder:
        for path in find(options.paths):
            if path.suffix == ".onnx":
                jobs.append(("external" if options.external else "model", onnx.ModelProto, path))
            else:
                known = value_class(path)
                if known:
                    jobs.append((known[0], known[1], path))
        outs = [pathlib.Path(folder) / f"{i}{job[2].suffix}" for i, job in enumerate(jobs)]
        for start in range(0, len(jobs), 64):
            part = list(zip(jobs, outs))[start:start + 64]
            lines = "".join(f"{what} {path} {out}\n" for (what, _, path), out in part)
            done = subprocess.run([options.tool, "--list"], input=lines, text=True,
                                  capture_output=True)
            if done.returncode:
                sys.stdout.write(done.stdout)
            for (what, cls, path), out in part:
                if not out.exists():
                    print(f"{path}: was not written")
                    failed += 1
                    continue
                a, b = load(path, cls), load(out, cls)
                if not same(a, b):
                    print(f"{path}: {first_difference(a, b)}")
                    failed += 1
                out.unlink()
                pathlib.Path(f"{out}.data").unlink(missing_ok=True)
    print(f"{len(jobs)} files, {failed} differ")
    return 1 if failed or not jobs else 0


if __name__ == "__main__":
    sys.exit(main())
