#!/usr/bin/env python3
"""Find out where the time of a model goes, from the trace that the profiler writes.

    python examples/python/profiling.py [MODEL]
"""
import collections
import json
import pathlib
import sys
import tempfile

import numpy as np

import corten as ort  # or: import onnxruntime as ort

MODEL = pathlib.Path(__file__).resolve().parents[2] / "tests/models/resnet50-classic.onnx"
RUNS = 20


def random_feed(session):
    """Random inputs; dimensions that are open become 1."""
    random, feed = np.random.default_rng(0), {}
    for info in session.get_inputs():
        shape = [n if isinstance(n, int) else 1 for n in info.shape]
        feed[info.name] = (random.random(shape, np.float32) if info.type == "tensor(float)"
                           else random.integers(0, 2, shape))
    return feed


def main():
    with tempfile.TemporaryDirectory() as folder:
        options = ort.SessionOptions()
        options.enable_profiling = True
        options.profile_file_prefix = f"{folder}/profile"
        session = ort.InferenceSession(sys.argv[1] if sys.argv[1:] else MODEL, options)
        feed = random_feed(session)
        for _ in range(RUNS):
            session.run(None, feed)
        events = json.loads(pathlib.Path(session.end_profiling()).read_text())
    runs = [event["ts"] for event in events if event["name"] == "model_run"]
    spent, calls = collections.Counter(), collections.Counter()
    for event in events:  # the first run makes the plan; it is left out
        if event["cat"] == "Node" and event["name"].endswith("_kernel_time") and (
                event["ts"] >= sorted(runs)[1]):
            spent[event["args"]["op_name"]] += event["dur"]
            calls[event["args"]["op_name"]] += 1
    total = sum(spent.values())
    print(f"{'operator':<24}{'calls':>8}{'us':>10}{'share':>8}")
    for name, microseconds in spent.most_common():
        bar = "#" * round(30 * microseconds / total)
        print(f"{name:<24}{calls[name]:>8}{microseconds:>10}{microseconds / total:>8.1%} {bar}")


if __name__ == "__main__":
    main()
