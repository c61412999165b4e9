#!/usr/bin/env python3
"""Random graphs of one to five operators, run on Corten and on ONNX Runtime or the reference of the onnx
package. Prints one line a difference, with the seed that repeats it, and a sum.

  differential.py --count 3000                 cases 0 to 2999 of seed 0
  differential.py --seed 0 --only 1234 -v      one of them again; --save FILE.onnx keeps its model
  differential.py --ops 'Conv,pattern:*'       only graphs that start with one of these operators or patterns
"""
import argparse
import collections
import fnmatch
import multiprocessing
import os
import pathlib
import re
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

# pylint: disable=wrong-import-position
import numpy as np
import onnx

import engines
# These add to GENERATORS.
import generators_contrib  # noqa: F401
import generators_ml  # noqa: F401
import generators_nn  # noqa: F401
import generators_patterns  # noqa: F401
from builder import Graph, Skip
from generators_basic import FOLLOW, GENERATORS
from judge import EXPLAINED, FAILED, PASSED, SKIPPED, describe, judge

ROOT = HERE.parents[1]
ONNXRUNTIME_OPSET = 26  # the last that it runs
SCHEMAS = ("", "ai.onnx.ml", "ai.onnx.preview.training")  # domains that the onnx package describes


def choices(ops):
    """Every (generator, domain, first version), those of a kind together, and how often that kind is taken"""
    kinds = {"": [], "ai.onnx.ml": [], "ai.onnx.preview.training": [], "pattern": [], "com.microsoft": []}
    for schema in onnx.defs.get_all_schemas_with_history():
        if schema.domain in kinds and schema.name in GENERATORS:
            kinds[schema.domain].append((schema.name, schema.domain, schema.since_version))
    for name in GENERATORS:
        kind, _, rest = name.partition(":")
        if rest:
            kinds[kind].append((name, kind, 1))
    weights = {"": 0.6, "ai.onnx.ml": 0.04, "ai.onnx.preview.training": 0.01, "pattern": 0.25, "com.microsoft": 0.1}
    found = []
    for kind, rows in kinds.items():
        rows = sorted(r for r in rows if not ops or any(fnmatch.fnmatchcase(r[0], p) for p in ops))
        if rows:
            found.append((weights[kind], rows))
    return found


def last_version(name, since):
    later = [s.since_version for s in onnx.defs.get_all_schemas_with_history()
             if s.domain == "" and s.name == name and s.since_version > since]
    return min(later) - 1 if later else onnx.defs.onnx_opset_version()


def add_follower(graph):
    name = graph.pick(FOLLOW)
    keep = len(graph.nodes), len(graph.values), graph.pending, len(graph.inputs), \
        len(graph.initializers)
    try:
        GENERATORS[name](graph, graph.schema(name))
        taken = graph.nodes[-1].input
        if keep[2] is not None and keep[2].name not in taken:
            raise Skip
    except Skip:
        del graph.nodes[keep[0]:], graph.values[keep[1]:]
        del graph.inputs[keep[3]:], graph.initializers[keep[4]:]
        graph.pending = keep[2]


def start(rng, rows):
    """An empty graph of some version, and the generator that begins it"""
    weights = np.array([weight for weight, _ in rows])
    kind = rows[rng.choice(len(rows), p=weights / weights.sum())][1]
    name, domain, since = kind[rng.integers(len(kind))]
    if domain == "":
        last = last_version(name, since)
        if since <= ONNXRUNTIME_OPSET < last and rng.random() < 0.8:
            last = ONNXRUNTIME_OPSET
        return Graph(rng, int(rng.integers(since, last + 1))), name, domain
    opset = int(rng.integers(13, ONNXRUNTIME_OPSET + 1))
    return Graph(rng, opset, since if domain == "ai.onnx.ml" else 1), name, domain


def make_case(seed, index, rows):
    """The graph of a case; None where the choices that were drawn fit no model"""
    for attempt in range(20):
        rng = np.random.default_rng([seed, index, attempt])
        graph, name, domain = start(rng, rows)
        try:
            GENERATORS[name](graph, graph.schema(name, domain) if domain in SCHEMAS else None)
            for _ in range(int(rng.choice([0, 1, 2, 3, 4], p=[.45, .2, .15, .1, .1]))):
                if graph.pending is not None:
                    add_follower(graph)
            return graph
        except Skip:
            continue
    return None


def run_case(corten, graph, levels, stage):
    model, feeds = graph.model(), graph.feeds()
    names = [v.name for v in graph.outputs]
    threads, results = graph.int(1, 2), {}
    stage("corten")
    for level in levels:
        try:
            results[level] = corten.run(model, feeds, names, level, threads, runs=2)
        except engines.Failure as failure:
            results[level] = failure
    return model, *judge(graph, model, results, stage)


# ------------------------------------------------------------------ processes


def work(args, indices, at, stages, results):
    """A process of its own: what crashes takes only this one with it."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 2)
    corten = engines.Corten(args.library)
    rows = choices(args.ops)
    for index in indices:
        at.value = index

        def stage(name):
            stages.value = name.encode()
        stage("making")
        graph = make_case(args.seed, index, rows)
        if graph is None:
            results.put((index, SKIPPED, "no model", "none"))
            continue
        _, result, text = run_case(corten, graph, args.levels, stage)
        results.put((index, result, text, describe(graph)))
    results.put((None, None, None, None))


def run_all(args):
    """Yields (index, result, text, what) of every case, in no order"""
    context = multiprocessing.get_context("fork")
    jobs = [list(range(i, args.count, args.jobs)) for i in range(args.jobs)]
    results = context.Queue()
    processes = []

    def start(indices):
        at, stage = context.Value("q", -1), context.Array("c", 32)
        process = context.Process(target=work, args=(args, indices, at, stage, results), daemon=True)
        process.start()
        processes.append([process, indices, at, stage, time.monotonic(), -1])
    for indices in jobs:
        start(indices)
    left = args.jobs
    while left:
        try:
            item = results.get(timeout=1)
            if item[0] is None:
                left -= 1
            else:
                yield item
            continue
        except Exception:  # pylint: disable=broad-exception-caught
            pass
        for entry in list(processes):
            process, indices, at, stage, since, seen = entry
            if at.value != seen:
                entry[4], entry[5] = time.monotonic(), at.value
            hangs = process.is_alive() and time.monotonic() - since > 60 and at.value == seen
            if hangs:
                process.kill()
                process.join()
            if not process.is_alive() and process.exitcode != 0:
                processes.remove(entry)
                where = stage.value.decode()
                how = "hangs" if hangs else f"crashes ({process.exitcode})"
                yield at.value, FAILED if where == "corten" else SKIPPED, f"{where} {how}", "?"
                rest = indices[indices.index(at.value) + 1:] if at.value >= 0 else []
                start(rest)


def only(args):
    graph = make_case(args.seed, args.only, choices(args.ops))
    if graph is None:
        print("no model")
        return 0
    if args.save:
        onnx.save(graph.model(), args.save)
        graph = make_case(args.seed, args.only, choices(args.ops))
    model, result, text = run_case(engines.Corten(args.library), graph, args.levels,
                                   lambda name: print(name, flush=True))
    print(onnx.printer.to_text(model))
    if args.verbose:
        for name, array in graph.feeds().items():
            print(name, array.dtype, array.shape, array.tolist())
    print(result, text)
    return result == FAILED


def until_interrupted(items):
    """The items that come before Ctrl-C, which becomes one of None"""
    try:
        yield from items
    except KeyboardInterrupt:
        print("interrupted")
        yield None, None, None, None


def print_coverage(reached):
    """How often each operator of ops.def stood in a graph that was compared"""
    rows = set()
    for path in (ROOT / "src" / "ops" / "defs").glob("*.def"):
        rows |= set(re.findall(r'^CT_OP\("([^"]*)", (\w+),', path.read_text(), re.MULTILINE))
    named = collections.Counter({name: reached[name] for _, name in rows})
    print("reached:", " ".join(f"{name} {count}" for name, count in sorted(named.items()) if count))
    missing = sorted(f"{domain or 'ai.onnx'}.{name}" for domain, name in rows if not reached[name])
    print(f"not reached, {len(missing)} of {len(rows)}:", " ".join(missing))


def parse():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    build = pathlib.Path(os.environ.get("CORTEN_BUILD", ROOT / "build"))
    parser.add_argument("--library", default=build / "libcorten.so")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--only", type=int, help="run this case alone and print it")
    parser.add_argument("--save", help="with --only: write the model there")
    parser.add_argument("--ops", type=lambda s: s.split(","), default=[])
    parser.add_argument("--levels", type=lambda s: s.split(","), default=["disable", "all"])
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--coverage", action="store_true", help="say how often each operator was reached")
    parser.add_argument("-v", "--verbose", action="store_true")
    return parser.parse_args()


def main():
    args = parse()
    if args.only is not None:
        return only(args)
    counts, started, result = collections.Counter(), time.monotonic(), None
    skipped, reached = collections.Counter(), collections.Counter()
    for index, result, text, what in until_interrupted(run_all(args)):
        if result is None:
            break
        counts[result] += 1
        if result == SKIPPED:
            skipped[what.split(" ")[0]] += 1
        else:
            reached.update({node.split(":")[0] for node in what.split(" ")})
        if result == FAILED or (args.verbose and result != PASSED):
            print(f"{result}: --seed {args.seed} --only {index}  {what}: {text[:400]}", flush=True)
    if args.verbose:
        print("skipped most:", skipped.most_common(30))
    if args.coverage:
        print_coverage(reached)
    print(f"{counts[PASSED]} passed, {counts[FAILED]} failed, {counts[EXPLAINED]} differ as much as rounding "
          f"between nodes explains, {counts[SKIPPED]} skipped (no reference runs it), "
          f"{time.monotonic() - started:.0f} s")
    return counts[FAILED] > 0 or result is None


if __name__ == "__main__":
    sys.exit(main())
