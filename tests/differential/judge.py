"""Whether what Corten gave for a graph is right: each reference is asked in turn, and one that agrees is
enough. What none agrees with may still be what rounding between the nodes makes of it (exact.py), or, where no
exact answer is to be had, what a reference itself makes of inputs that are off by a unit in the last place."""
import collections
import dataclasses
import fnmatch
import pathlib

import numpy as np
import onnx
from onnx import numpy_helper

import engines
import exact

PASSED, FAILED, EXPLAINED, SKIPPED = "passed", "failed", "explained", "skipped"
EXACT = "exact"   # the name of exact.py's answer, in known.txt too


@dataclasses.dataclass
class Known:
    """A line of known.txt"""
    engine: str
    pattern: str
    within: float = None   # how far it may be off; None: its answers say nothing


def read_known():
    found = collections.defaultdict(list)
    path = pathlib.Path(__file__).with_name("known.txt")
    for line in path.read_text().splitlines():
        if not line.strip() or line[0] == "#":
            continue
        engine, pattern, reason = line.split(None, 2)
        known = Known(engine, pattern + ":*" * (3 - pattern.count(":")))
        if reason.startswith("within="):
            known.within = float(reason.split()[0].partition("=")[2])
        found[engine].append(known)
    return found


KNOWN = read_known()


def attributes_of(node):
    """name=value, lists with / between their items"""
    found = []
    for attribute in sorted(node.attribute, key=lambda a: a.name):
        value = onnx.helper.get_attribute_value(attribute)
        if isinstance(value, (bytes, int, float)):
            found.append(f"{attribute.name}={value.decode() if isinstance(value, bytes) else value}")
        elif isinstance(value, list) and all(isinstance(v, (int, float)) for v in value):
            found.append(f"{attribute.name}=" + "/".join(str(v) for v in value))
    return ",".join(found)


def dtypes_of(graph):
    return {v.name: v.dtype for v in graph.inputs + graph.initializers + graph.values}


def signature(graph):
    """OPERATOR:DTYPE:OPSET:ATTRIBUTES of the nodes; the dtype is that of the first input or output; ",empty"
    follows the attributes where an input has no elements"""
    dtypes, found = dtypes_of(graph), []
    empty = {v.name for v in graph.inputs + graph.initializers + graph.values if v.shape and 0 in v.shape}
    for node in graph.nodes:
        of = [dtypes[n] for n in [*node.input, *node.output] if n in dtypes]
        dtype = onnx.TensorProto.DataType.Name(of[0]).lower() if of and of[0] else "none"
        suffix = ",empty" if empty & set(node.input) else ""
        found.append(f"{node.op_type}:{dtype}:{graph.opset}:{attributes_of(node)}{suffix}")
    return found


def describe(graph):
    return " ".join(s.rpartition(":")[0] for s in signature(graph))


def known_of(graph, engine):
    nodes = signature(graph)
    return [k for k in KNOWN[engine] if any(fnmatch.fnmatchcase(n, k.pattern) for n in nodes)]


def compare(graph, got, want, allowed=None):
    for i, (value, a, b) in enumerate(zip(graph.outputs, got, want)):
        found = engines.difference(a, b, value.name not in graph.shape_only, allowed and allowed[i])
        if found:
            return f"output {value.name}: {found}"
    return None


def differences(graph, results, want, engine, allowed=None):
    found = []
    for level, got in results.items():
        text = f"fails: {got}" if isinstance(got, engines.Failure) else compare(graph, got, want, allowed)
        if text:
            found.append(f"level {level} against {engine}: {text}")
    return found


def against_exact(graph, model, results):
    """(result, texts): FAILED too if it has no answer"""
    if known_of(graph, EXACT) or known_of(graph, "reference"):
        return FAILED, []
    left, found = dict(results), []
    for in_range in (True, False):
        try:
            reference = exact.Exact(model, graph.feeds(), [v.name for v in graph.outputs], dtypes_of(graph),
                                    in_range)
            want = reference.answer()
            left = {k: v for k, v in left.items() if differences(graph, {k: v}, want, EXACT)}
            if not left:
                return (EXPLAINED if found else PASSED), found
            found += differences(graph, left, want, EXACT)
            allowed = [None if s is None else 4 * s for s in reference.spread()]
        except Exception:  # pylint: disable=broad-exception-caught
            return FAILED, []  # the reference lacks something of the graph
        left = {k: v for k, v in left.items() if differences(graph, {k: v}, want, EXACT, allowed)}
    return (FAILED if left else EXPLAINED), found


def nudged(array, rng):
    """Each element one step of its type up, down, or as it is"""
    if array.dtype.kind != "f" and array.dtype.name != "bfloat16":
        return array
    steps, end = rng.integers(-1, 2, array.shape), array.dtype.type("inf")
    return np.where(steps > 0, np.nextafter(array, end),
                    np.where(steps < 0, np.nextafter(array, -end), array)).astype(array.dtype)


def spread(run, model, feeds, names, want):
    """How far a reference's outputs move when all numbers that it gets are nudged; None: not numbers"""
    rng, most = np.random.default_rng(0), [None] * len(want)
    for _ in range(exact.TRIALS):
        moved = onnx.ModelProto()
        moved.CopyFrom(model)
        for tensor in moved.graph.initializer:
            array = nudged(numpy_helper.to_array(tensor), rng)
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
        got = run(moved, {k: nudged(v, rng) for k, v in feeds.items()}, names)
        for i, (a, b) in enumerate(zip(got, want)):
            if getattr(b, "dtype", np.dtype("O")).kind in "fV" and a.shape == b.shape:
                step = np.abs(a.astype(float) - b.astype(float))
                most[i] = step if most[i] is None else np.fmax(most[i], step)
    return most


def explained_by_inputs(graph, model, results, answers):
    feeds, names = graph.feeds(), [v.name for v in graph.outputs]
    for engine, want in answers.items():
        try:
            moved = spread(engines.REFERENCES[engine], model, feeds, names, want)
        except Exception:  # pylint: disable=broad-exception-caught
            continue  # a nudge is not a valid input: nothing is explained
        allowed = [None if m is None else 4 * m for m in moved]
        if not differences(graph, results, want, engine, allowed):
            return True
    return False


def against_references(graph, model, results, stage):
    """(result, text) of what Corten gave at each level"""
    feeds, names = graph.feeds(), [v.name for v in graph.outputs]
    found, refused, answers = [], [], {}
    for engine, run in engines.REFERENCES.items():
        known = known_of(graph, "onnxruntime" if engine == "widened" else engine)
        if any(k.within is None for k in known):
            refused.append(f"{engine}: known to be wrong here")
            continue
        stage(engine)
        try:
            want = run(model, feeds, names)
        except engines.Failure as failure:
            refused.append(f"{engine}: {failure}")
            continue
        allowed = [max(k.within for k in known)] * len(names) if known else None
        text = differences(graph, results, want, engine, allowed)
        if not text:
            return PASSED, ""
        found += text
        answers[engine] = want
    stage(EXACT)
    result, text = against_exact(graph, model, results)
    if result in (PASSED, EXPLAINED):
        return result, "; ".join(text)
    if not found and not text:
        return SKIPPED, "; ".join(refused)
    if not text and explained_by_inputs(graph, model, results, answers):
        return EXPLAINED, "; ".join(found)
    return FAILED, "; ".join(found + text)


def judge(graph, model, results, stage):
    """(result, text). results: what each level gave, a list of outputs or a Failure"""
    result, text = against_references(graph, model, results, stage)
    good = {k: v for k, v in results.items() if not isinstance(v, engines.Failure)}
    if result != SKIPPED or not good or graph.shape_only:
        return result, text
    first = next(iter(results))
    for level, got in results.items():
        if (level in good) != (first in good):
            return FAILED, f"level {level} and {first}: one fails: {got if level not in good else results[first]}"
        found = compare(graph, good[level], good[first])
        if found:
            return FAILED, f"level {level} against {first}: {found}"
    return result, text
