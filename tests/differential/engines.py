"""What runs a model: Corten over its C API, ONNX Runtime, and the onnx package's reference."""
import ctypes as c

import ml_dtypes
import numpy as np
import onnx
from onnx import numpy_helper

import exact
import reference_ops

LEVELS = {"disable": 0, "basic": 1, "extended": 2, "layout": 3, "all": 99}


class Failure(Exception):
    """An engine refused the model or failed on its data."""


class Error(c.Structure):
    _fields_ = [("status", c.c_int), ("text", c.c_char * 1020)]


def to_proto(array):
    """(kind, bytes) of an array, of a list (a sequence) or of a dict (a map)"""
    if isinstance(array, dict):
        keys, proto = list(array), onnx.MapProto()
        if isinstance(keys[0], str):
            proto.key_type = onnx.TensorProto.STRING
            proto.string_keys.extend(k.encode() for k in keys)
        else:
            proto.key_type = onnx.TensorProto.INT64
            proto.keys.extend(keys)
        proto.values.elem_type = onnx.SequenceProto.TENSOR
        proto.values.tensor_values.extend(tensor_proto(np.asarray(v)) for v in array.values())
        return 3, proto.SerializeToString()
    if isinstance(array, list):
        sequence = onnx.SequenceProto(elem_type=onnx.SequenceProto.TENSOR)
        sequence.tensor_values.extend(tensor_proto(a) for a in array)
        return 1, sequence.SerializeToString()
    return 0, tensor_proto(array).SerializeToString()


def tensor_proto(array):
    if array.dtype.kind in "OUS":
        strings = [str(s).encode() for s in array.ravel()]
        return onnx.helper.make_tensor("", onnx.TensorProto.STRING, array.shape, strings)
    return numpy_helper.from_array(array)


def dict_of(proto):
    keys = [k.decode() for k in proto.string_keys] or list(proto.keys)
    return {k: numpy_helper.to_array(v).item() for k, v in zip(keys, proto.values.tensor_values)}


class Corten:
    def __init__(self, library):
        self.lib = c.CDLL(str(library))
        self.lib.corten_value_kind.restype = c.c_int
        self.error = Error()

    def check(self, status):
        if status:
            raise Failure(self.error.text.decode(errors="replace"))

    def options(self, level, threads):
        options = c.c_void_p()
        self.check(self.lib.corten_options_create(c.byref(options), c.byref(self.error)))
        self.lib.corten_options_set_threads(options, threads, None)
        self.lib.corten_options_set_level(options, LEVELS[level], None)
        self.lib.corten_options_set_log(options, None, None, 4, None)
        return options

    def value(self, array):
        kind, data = to_proto(array)
        value = c.c_void_p()
        self.check(self.lib.corten_value_parse(kind, data, c.c_size_t(len(data)), None,
                                               c.c_size_t(0), c.byref(value), c.byref(self.error)))
        return value

    def result(self, value):
        data, size = c.c_void_p(), c.c_size_t()
        self.check(self.lib.corten_value_serialize(value, None, c.byref(data), c.byref(size),
                                                   c.byref(self.error)))
        serialized = c.string_at(data, size.value)
        self.lib.corten_free(data)
        kind = self.lib.corten_value_kind(value)
        if kind == 0:
            return numpy_helper.to_array(onnx.TensorProto.FromString(serialized))
        if kind == 1:
            sequence = onnx.SequenceProto.FromString(serialized)
            if sequence.map_values:
                return [dict_of(m) for m in sequence.map_values]
            return [numpy_helper.to_array(t) for t in sequence.tensor_values]
        if kind == 2:
            optional = onnx.OptionalProto.FromString(serialized)
            if optional.elem_type == onnx.OptionalProto.TENSOR:
                return numpy_helper.to_array(optional.tensor_value)
            return None
        raise Failure(f"a value of kind {kind}")

    def run(self, model, feeds, names, level, threads, runs=1):
        """Outputs of the model, run as often as said in one session"""
        data = model.SerializeToString()
        options, session = self.options(level, threads), c.c_void_p()
        status = self.lib.corten_session_open_memory(data, c.c_size_t(len(data)), None, options,
                                                     c.byref(session), c.byref(self.error))
        self.lib.corten_options_destroy(options)
        self.check(status)
        values = []
        try:
            for array in feeds.values():
                values.append(self.value(array))
            return [self.run_once(session, feeds, values, names) for _ in range(runs)][-1]
        finally:
            for value in values:
                self.lib.corten_value_destroy(value)
            self.lib.corten_session_close(session)

    def run_once(self, session, feeds, values, names):
        n, m = len(values), len(names)
        outputs = (c.c_void_p * m)()
        self.check(self.lib.corten_session_run(
            session, (c.c_char_p * n)(*[k.encode() for k in feeds]), (c.c_void_p * n)(*values),
            c.c_size_t(n), (c.c_char_p * m)(*[k.encode() for k in names]), outputs, c.c_size_t(m),
            c.byref(self.error)))
        try:
            return [self.result(c.c_void_p(v)) for v in outputs]
        finally:
            for v in outputs:
                self.lib.corten_value_destroy(c.c_void_p(v))


PLAIN = {np.dtype(t) for t in ("f4", "f8", "f2", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?")}


def plain(array):
    if isinstance(array, dict):
        return all(plain(np.asarray(v)) for v in array.values())
    if isinstance(array, list):
        return all(plain(a) for a in array)
    return array.dtype in PLAIN or array.dtype.kind in "OU"


def python_map(items):
    return {k: v if isinstance(v, str) else v.item() for k, v in items.items()}


def run_onnxruntime(model, feeds, names):
    import onnxruntime as ort
    if not all(plain(a) for a in feeds.values()):
        raise Failure("no Python type for an input")
    for output in model.graph.output:
        if output.type.HasField("tensor_type") and output.type.tensor_type.elem_type in (
                16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 14, 15):
            raise Failure("no Python type for an output")
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = ort.InferenceSession(model.SerializeToString(), options,
                                       providers=["CPUExecutionProvider"])
        return session.run(names, {k: python_map(v) if isinstance(v, dict) else v
                                   for k, v in feeds.items()})
    except Exception as error:  # pylint: disable=broad-exception-caught
        raise Failure(str(error)) from None


def run_widened(model, feeds, names):
    """ONNX Runtime, in float32 where the model says float16 or bfloat16"""
    if exact.is_wide(model):
        raise Failure("has nothing to widen")
    wide, wide_feeds = exact.widened(model, feeds, exact.TO_FLOAT)
    return exact.narrowed(run_onnxruntime(wide, wide_feeds, names), model)


def run_reference(model, feeds, names):
    from onnx.reference import ReferenceEvaluator
    try:
        with np.errstate(all="ignore"):
            return ReferenceEvaluator(model, new_ops=reference_ops.CORRECTED).run(names, feeds)
    except Exception as error:  # pylint: disable=broad-exception-caught
        raise Failure(f"{type(error).__name__}: {error}") from None


REFERENCES = {"onnxruntime": run_onnxruntime, "reference": run_reference, "widened": run_widened}

# Relative and absolute tolerances; the absolute one is times the largest element.
TOLERANCES = {
    np.dtype("f4"): (2e-3, 2e-5), np.dtype("f8"): (1e-5, 1e-7), np.dtype("f2"): (2e-2, 1e-2),
    np.dtype(ml_dtypes.bfloat16): (6e-2, 4e-2), np.dtype("c8"): (2e-3, 2e-5),
    np.dtype("c16"): (1e-5, 1e-7),
}
NARROW_TOLERANCE = (0.3, 0.1)


def difference(got, want, same_values=True, allowed=None):
    """What is different, in words; None if nothing is. allowed: how far apart numbers may be besides, a
    number or one for each element."""
    if isinstance(want, dict) and isinstance(got, dict):
        if set(got) != set(want):
            return f"keys {list(got)}, expected {list(want)}"
        return difference(*(np.array([m[k] for k in want]) for m in (got, want)))
    if isinstance(want, (list, tuple)) or isinstance(got, list):
        if not isinstance(got, list) or len(got) != len(want):
            return "items of a sequence"
        for a, b in zip(got, want):
            found = difference(a, b)
            if found:
                return found
        return None
    if got is None or want is None:
        return None if got is want else "an empty optional"
    want = np.asarray(want)
    if got.shape != want.shape:
        return f"shape {list(got.shape)}, expected {list(want.shape)}"
    if got.dtype.kind in "OUS" or want.dtype.kind in "OUS":
        text = [[s.decode() if isinstance(s, bytes) else str(s) for s in a.ravel()]
                for a in (got, want)]
        return None if text[0] == text[1] else f"strings {text[0][:4]}, expected {text[1][:4]}"
    if got.dtype != want.dtype:
        return f"type {got.dtype}, expected {want.dtype}"
    if not same_values:
        return None
    return different_numbers(got, want, allowed)


def different_numbers(got, want, allowed):
    dtype = got.dtype
    if dtype.kind in "iub" or str(dtype) in ("int4", "uint4", "int2", "uint2"):
        bad = got != want
    else:
        rtol, atol = TOLERANCES.get(dtype, NARROW_TOLERANCE)
        wide = np.complex128 if dtype.kind == "c" else np.float64
        a, b = got.astype(wide), want.astype(wide)
        finite = np.abs(b[np.isfinite(b)])
        scale = finite.max() if finite.size else 0
        with np.errstate(all="ignore"):
            near = np.abs(a - b) <= atol * min(scale, 1e6) + 1e-6 * (scale > 0) + rtol * np.abs(b)
            if allowed is not None:
                near |= np.abs(a - b) <= allowed
        bad = ~(near | (a == b) | (np.isnan(a) & np.isnan(b)))
    if not np.any(bad):
        return None
    at = tuple(int(i) for i in np.argwhere(bad)[0])
    return f"{int(np.sum(bad))} of {bad.size} elements, at {list(at)}: {got[at]}, expected {want[at]}"
