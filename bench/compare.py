#!/usr/bin/env python3
"""Compares Corten with ONNX Runtime, OpenVINO and PyTorch's results on whole models.

    python bench/compare.py MODELS_DIR [NAME ...] [--threads 1,2] [--seconds 4] [--engines a,b]
                            [--precision f32] [--tolerance X] [--build build] [--out bench-results]

MODELS_DIR holds NAME.onnx and NAME.npz with the inputs ("in:<name>") and the outputs to expect
("out:<name>"); models.py and quantize_models.py make such. All engines run in this one process and
take turns, run by run, so that a machine whose speed drifts is fair to all; the first runs are
dropped. Outputs are checked; --tolerance says how near they must be, relative to the largest.
Engines: corten, ort, openvino, torch (for models of models.py), and with --precision bf16, which
Corten and OpenVINO are asked for, corten-f32.

The limit is what the work of a model takes at the peak of the cores, or its weights at the bandwidth
of memory, whichever is longer; both are measured. Convolutions that Winograd's method computes
with fewer products than that can pass it.
Writes OUT.json, OUT.md and OUT.svg (see chart.py). Times are milliseconds a run.
"""
import argparse
import json
import pathlib
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import chart
from corten_ctypes import Session

TOLERANCES = {"f32": 1e-4, "bf16": 2e-2}


class Corten:
    label = "Corten"

    def __init__(self, path, threads, inputs, output_names, args):
        self.session = Session(args.build / "libcorten.so", path, threads, self.precision(args))
        self.session.bind(inputs, output_names)

    def run(self):
        self.session.run()

    def results(self):
        return self.session.results()

    def precision(self, args):
        return args.precision


class CortenF32(Corten):
    label = "Corten f32"

    def precision(self, args):
        return "f32"


class OnnxRuntime:
    label = "ONNX Runtime"

    def __init__(self, path, threads, inputs, output_names, args):
        import onnxruntime as ort
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.inputs, self.names = inputs, output_names

    def run(self):
        self.out = self.session.run(self.names, self.inputs)

    def results(self):
        return self.out


class OpenVino:
    label = "OpenVINO"

    def __init__(self, path, threads, inputs, output_names, args):
        import openvino as ov
        core = ov.Core()
        model = core.read_model(str(path))
        model.reshape({k: list(v.shape) for k, v in inputs.items()})
        compiled = core.compile_model(model, "CPU", {"INFERENCE_NUM_THREADS": threads,
                                                     "INFERENCE_PRECISION_HINT": args.precision,
                                                     "PERFORMANCE_HINT": "LATENCY"})
        self.request = compiled.create_infer_request()
        self.request.set_tensors({k: ov.Tensor(np.ascontiguousarray(v)) for k, v in inputs.items()})
        self.names = output_names

    def run(self):
        self.request.infer()

    def results(self):
        return [self.request.get_tensor(name).data for name in self.names]


class PyTorch:
    label = "PyTorch"

    def __init__(self, path, threads, inputs, output_names, args):
        import torch
        import models
        torch.set_num_threads(threads)
        self.spec, self.models = models.make(path.stem), models
        self.spec.inputs = {k: torch.from_numpy(v) for k, v in inputs.items()}

    def run(self):
        self.out = self.models.run(self.spec)

    def results(self):
        return [x.numpy() for x in self.out]


ENGINES = {"corten": Corten, "corten-f32": CortenF32, "ort": OnnxRuntime, "openvino": OpenVino,
           "torch": PyTorch}


def worst_error(results, expected):
    """Largest error over largest magnitude, the worst of the outputs."""
    worst = 0.0
    for found, want in zip(results, expected):
        if found.shape != want.shape:
            return float("inf")
        scale = np.abs(want).max() if want.size else 0
        error = np.abs(found.astype(np.float64) - want).max() if want.size else 0
        worst = max(worst, float(error / scale) if scale else float(error))
    return worst


def measure(engines, seconds):
    """Times by engine. In its turn an engine waits until the threads of the one before sleep (some spin
    for a while after a run), warms up with one run, and is measured for three."""
    times = {name: [] for name in engines}
    end = time.perf_counter() + seconds * len(engines)
    while time.perf_counter() < end or min(map(len, times.values())) < 9:
        for name, engine in engines.items():
            time.sleep(0.02)
            engine.run()
            for _ in range(3):
                start = time.perf_counter()
                engine.run()
                times[name].append((time.perf_counter() - start) * 1e3)
    return times


def peak_gflops(build):
    """GFLOP/s of one core, measured by the kernel bench; None when it is not built."""
    tool = build / "corten-kernels"
    if not tool.exists():
        return None
    out = subprocess.run([tool, "--bench", "--family", "gemm_f32", "--filter", "avx512"],
                         capture_output=True, text=True).stdout
    found = re.findall(r"% of ([0-9.]+)", out)
    return max(map(float, found)) if found else None


def tool_json(*command):
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def gflop(tool, path, inputs):
    """Work of one run, from the nodes of the model with its shapes resolved."""
    dims = {}
    for info in tool_json(tool, "inspect", path)["inputs"]:
        for size, dim in zip(inputs[info["name"]].shape, info["shape"]):
            if isinstance(dim, str):
                dims[dim] = size
    with tempfile.TemporaryDirectory() as folder:
        resolved = pathlib.Path(folder) / "model.onnx"
        subprocess.run([tool, "optimize", path, resolved, "--level", "basic",
                        *(a for k, v in dims.items() for a in ("--dim", f"{k}={v}"))],
                       capture_output=True, check=True)
        found = tool_json(tool, "inspect", resolved)
    return None if found["unknown"] else found["flops"] / 1e9


def limit_ms(path, threads, inputs, peak, args):
    """What the machine allows at most; None where it is not known."""
    tool = args.build / "corten"
    work = gflop(tool, path, inputs)
    if not work or not peak or args.precision != "f32":
        return None
    found = tool_json(tool, "profile", path, "--inputs", path.with_suffix(".npz"), "--repeat", "1",
                      "--threads", str(threads))
    return max(work / (peak * threads) * 1e3,
               found["memory"]["packed_bytes"] / found["roofline"]["gbs"] / 1e6)


def run_model(path, threads, peak, args):
    data = np.load(path.with_suffix(".npz"))
    inputs = {k[3:]: data[k] for k in data.files if k.startswith("in:")}
    names = [k[4:] for k in data.files if k.startswith("out:")]
    expected = [data["out:" + k] for k in names]
    engines = {}
    for key in args.engines:
        engines[key] = ENGINES[key](path, threads, inputs, names, args)
    times = measure(engines, args.seconds)
    row = {"model": path.stem, "threads": threads,
           "limit": limit_ms(path, threads, inputs, peak, args)}
    for key, engine in engines.items():
        row[key] = {"min": min(times[key]), "median": statistics.median(times[key]),
                    "runs": len(times[key]), "error": worst_error(engine.results(), expected)}
    return row


def geometric_mean(values):
    return float(np.exp(np.mean(np.log(values)))) if values else float("nan")


def write_markdown(rows, args, out):
    others = [k for k in args.engines if k != "corten"]
    lines = ["| model | threads | Corten ms | " + " | ".join(
        f"{ENGINES[k].label} ms | ratio" for k in others) + " | of the limit | error |",
        "|---|---|---|" + "---|---|" * len(others) + "---|---|"]
    for r in rows:
        cells = [r["model"], str(r["threads"]), f"{r['corten']['median']:.2f}"]
        for k in others:
            cells += [f"{r[k]['median']:.2f}", f"{r[k]['median'] / r['corten']['median']:.2f}"]
        part = r["limit"] / r["corten"]["median"] if r["limit"] else None
        cells += [f"{100 * part:.0f} %" if part else "–", f"{r['corten']['error']:.1e}"]
        lines.append("| " + " | ".join(cells) + " |")
    for t in args.threads:
        mine = [r for r in rows if r["threads"] == t]
        means = []
        for k in others:
            ratios = [r[k]["median"] / r["corten"]["median"] for r in mine]
            means.append(f"{ENGINES[k].label}: geometric mean {geometric_mean(ratios):.2f}, "
                         f"worst {min(ratios):.2f}")
        if mine and means:
            lines += ["", f"{t} thread{'s' if t > 1 else ''}, times faster than " + "; ".join(means) + "."]
    out.with_suffix(".md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("models", type=pathlib.Path)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--threads", default="1,2", type=lambda s: [int(x) for x in s.split(",")])
    parser.add_argument("--seconds", default=4.0, type=float, help="for each engine and model")
    parser.add_argument("--engines", default="corten,ort,openvino", type=lambda s: s.split(","))
    parser.add_argument("--precision", default="f32", choices=TOLERANCES)
    parser.add_argument("--tolerance", type=float, help="relative to the largest output")
    parser.add_argument("--build", default="build", type=pathlib.Path)
    parser.add_argument("--out", default="bench-results", type=pathlib.Path)
    args = parser.parse_args()
    paths = [args.models / f"{n}.onnx" for n in args.names] or sorted(args.models.glob("*.onnx"))
    peak = peak_gflops(args.build)
    tolerance = args.tolerance or TOLERANCES[args.precision]
    rows = []
    for threads in args.threads:
        for path in paths:
            rows.append(run_model(path, threads, peak, args))
            print(json.dumps(rows[-1]), flush=True)
    measured = {"machine": platform.processor() or platform.machine(),
                "peak_gflops_per_core": peak, "rows": rows}
    args.out.with_suffix(".json").write_text(json.dumps(measured, indent=1))
    write_markdown(rows, args, args.out)
    if chart.BASE in args.engines:
        args.out.with_suffix(".svg").write_text(chart.draw(measured))
    if any(r["corten"]["error"] > tolerance for r in rows):
        sys.exit("outputs differ from what is expected")


if __name__ == "__main__":
    main()
