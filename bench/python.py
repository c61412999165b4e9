#!/usr/bin/env python3
"""What the Python package costs over the C API.

    python bench/python.py MODELS_DIR [NAME ...] [--seconds 2] [--threads 1] [--build build]

Both run each model in one process and take turns; the ratio is of medians. Memory is VmRSS after the
runs, of a process that runs one of them. The last line is a call of a model that does nothing: Python's
time less that of `corten bench`.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))


def load(path):
    data = np.load(path.with_suffix(".npz"))
    return ({k[3:]: data[k] for k in data.files if k.startswith("in:")},
            [k[4:] for k in data.files if k.startswith("out:")])


def c_api(args, path):
    from corten_ctypes import Session
    session = Session(args.build / "libcorten.so", path, args.threads)
    session.bind(*load(path))

    def run():  # with new outputs each time, as the package's run has
        session.run()
        session.drop_outputs()
    return run


def package(args, path):
    sys.path.insert(0, str(args.build / "python"))
    import corten
    options = corten.SessionOptions()
    options.intra_op_num_threads = args.threads
    session = corten.InferenceSession(path, options)
    inputs, names = load(path)
    return lambda: session.run(names, inputs)


WAYS = {"c": c_api, "python": package}


def resident_mb(args, path, way):
    done = subprocess.run([sys.executable, __file__, str(path.parent), path.stem, "--resident", way,
                           "--threads", str(args.threads), "--build", str(args.build)],
                          check=True, capture_output=True, text=True)
    return float(done.stdout)


def print_resident(args, path):
    run = WAYS[args.resident](args, path)
    for _ in range(3):
        run()
    with open("/proc/self/status", encoding="ascii") as file:
        print(next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) / 1024)


def compare(args, path):
    runs = {way: make(args, path) for way, make in WAYS.items()}
    times = {way: [] for way in WAYS}
    for run in runs.values():
        run()
    end = time.perf_counter() + args.seconds
    while time.perf_counter() < end or len(times["c"]) < 5:
        for way, run in runs.items():
            began = time.perf_counter_ns()
            run()
            times[way].append(time.perf_counter_ns() - began)
    c, python = (statistics.median(times[way]) * 1e-6 for way in WAYS)
    memory = {way: resident_mb(args, path, way) for way in WAYS}
    print(f"{path.stem:<24}{c:9.3f} ms {python:9.3f} ms  {python / c:6.3f}   "
          f"{memory['c']:7.1f} MB {memory['python']:7.1f} MB  "
          f"{memory['python'] / memory['c']:6.3f}", flush=True)


def call_ns(args):
    """One call of an Add of 60 floats: Python's, and the C API's as `corten bench` has it."""
    import onnx
    from onnx import TensorProto, helper
    infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [3, 4, 5]) for n in "abc"]
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["c"])], "g", infos[:2], infos[2:])
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "add.onnx"
        onnx.save(helper.make_model(graph, ir_version=8,
                                    opset_imports=[helper.make_opsetid("", 17)]), path)
        x = np.ones((3, 4, 5), np.float32)
        np.savez(path.with_suffix(".npz"), **{"in:a": x, "in:b": x, "out:c": x})
        run, best = package(args, path), 1e9
        for _ in range(20):
            began = time.perf_counter_ns()
            for _ in range(2000):
                run()
            best = min(best, (time.perf_counter_ns() - began) / 2000)
        bench = subprocess.run([args.build / "corten", "bench", path, "--random", "--threads", "1",
                                "--time", "1", "--json"], check=True, capture_output=True, text=True)
        return best, json.loads(bench.stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("models", type=pathlib.Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seconds", default=2.0, type=float, help="for each model")
    parser.add_argument("--threads", default=1, type=int)
    parser.add_argument("--build", default=HERE.parent / "build", type=pathlib.Path)
    parser.add_argument("--resident", choices=WAYS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    paths = [args.models / f"{n}.onnx" for n in args.names] or sorted(args.models.glob("*.onnx"))
    if args.resident:
        print_resident(args, paths[0])
        return
    print(f"{'model':<24}{'C API':>12}{'Python':>13}{'ratio':>8}{'C API':>13}{'Python':>11}{'ratio':>8}")
    for path in paths:
        compare(args, path)
    python_ns, bench = call_ns(args)
    print(f"an Add of 60 floats: Python {python_ns:.0f} ns; C API {json.dumps(bench)[:400]}")


if __name__ == "__main__":
    main()
