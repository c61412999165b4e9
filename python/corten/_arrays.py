"""Conversions between NumPy and Corten that the extension module leaves to Python."""
import numpy as np

from . import _errors
from ._sparse import SparseTensor

STRING = 8

# Number of a corten_dtype (and of ONNX) -> name in NumPy or ml_dtypes, name in ONNX's type texts.
NAMES = {
    1: ("float32", "float"), 2: ("uint8", "uint8"), 3: ("int8", "int8"), 4: ("uint16", "uint16"),
    5: ("int16", "int16"), 6: ("int32", "int32"), 7: ("int64", "int64"), 8: ("object", "string"),
    9: ("bool", "bool"), 10: ("float16", "float16"), 11: ("float64", "double"),
    12: ("uint32", "uint32"), 13: ("uint64", "uint64"), 14: ("complex64", "complex64"),
    15: ("complex128", "complex128"), 16: ("bfloat16", "bfloat16"),
    17: ("float8_e4m3fn", "float8e4m3fn"), 18: ("float8_e4m3fnuz", "float8e4m3fnuz"),
    19: ("float8_e5m2", "float8e5m2"), 20: ("float8_e5m2fnuz", "float8e5m2fnuz"),
    21: ("uint4", "uint4"), 22: ("int4", "int4"), 23: ("float4_e2m1fn", "float4e2m1"),
    24: ("float8_e8m0fnu", "float8e8m0"), 25: ("uint2", "uint2"), 26: ("int2", "int2"),
    27: ("float6_e2m3fn", "float6e2m3"), 28: ("float6_e3m2fn", "float6e3m2"),
}
FIRST_FOREIGN = 16  # types from here on are those of ml_dtypes

CODES = {np.dtype(name): code for code, (name, _) in NAMES.items() if code < FIRST_FOREIGN}
_dtypes = {}


def dtype_of(code):
    """The NumPy dtype of a number; None when it is one of ml_dtypes and that is not installed."""
    if code not in _dtypes:
        dtype = None
        if code < FIRST_FOREIGN:
            dtype = np.dtype(NAMES[code][0])
        else:
            try:
                import ml_dtypes
                dtype = np.dtype(getattr(ml_dtypes, NAMES[code][0]))
            except (ImportError, AttributeError):
                pass
        _dtypes[code] = dtype
    return _dtypes[code]


def code_of(dtype):
    """The number of a NumPy dtype, or anything that names one."""
    try:
        dtype = np.dtype(dtype)
    except TypeError as error:
        raise _errors.InvalidArgument(f"{dtype!r} is not an element type") from error
    if dtype not in CODES:
        if dtype.kind in "OUST":
            return STRING
        code = next((c for c in range(FIRST_FOREIGN, len(NAMES) + 1) if dtype_of(c) == dtype), None)
        if code is None:
            raise _errors.InvalidArgument(f"arrays of type {dtype} have no equivalent in ONNX")
        CODES[dtype] = code
    return CODES[dtype]


def element_code(element_type):
    """The number of an element type that is given as ONNX's number or as a NumPy type."""
    if isinstance(element_type, int):
        if element_type not in NAMES:
            raise _errors.InvalidArgument(f"{element_type} is not a number of an element type")
        return element_type
    return code_of(element_type)


def element_bits(code):
    """Bits of one element as the library keeps it."""
    if code < FIRST_FOREIGN:
        return 8 * np.dtype(NAMES[code][0]).itemsize
    return {16: 16, 21: 4, 22: 4, 23: 4, 25: 2, 26: 2, 27: 6, 28: 6}.get(code, 8)


# ------------------------------------------------------------------ called by the extension module


def as_array(value, code):
    """An array for anything that is none; `code` says of which type, 0 leaves it to NumPy."""
    if hasattr(value, "__array__"):
        return np.asarray(value)
    if isinstance(value, (list, tuple, int, float, complex, bool, str, bytes, np.generic)):
        dtype = dtype_of(code) if code and code != STRING else None
        try:
            return np.asarray(value, dtype=dtype)
        except (ValueError, TypeError, OverflowError) as error:
            raise _errors.InvalidArgument(f"no array can be made of the value: {error}") from error
    raise TypeError(f"a value of type {type(value)} is given for a tensor, expected an array")


def plain_copy(array):
    """The same elements in row-major order and the machine's byte order."""
    return np.array(array, dtype=array.dtype.newbyteorder("="), order="C", copy=True)


def encoded_strings(array):
    """The elements of an array of strings as a list of bytes."""
    items = array.reshape(-1).tolist()
    for index, item in enumerate(items):
        if isinstance(item, str):
            items[index] = item.encode("utf-8", "surrogateescape")
        elif not isinstance(item, bytes):
            raise _errors.InvalidArgument(
                f"element {index} of an array of strings is of type {type(item).__name__}")
    return items


def string_array(strings, shape):
    array = np.empty(len(strings), dtype=object)
    array[:] = strings
    return array.reshape(shape)


def seen_as(array, code):
    """Raw bits as the type of ml_dtypes, or as they are when that is not installed."""
    dtype = dtype_of(code)
    if dtype is None:
        return array
    if array.dtype == np.int8:  # below 8 bits, with the sign in all of the byte
        np.bitwise_and(array, 2**element_bits(code) - 1, out=array)
    return array.view(dtype)


def map_arrays(mapping, code):
    """Keys and values of a dict as two arrays."""
    keys = list(mapping)
    if all(isinstance(key, str) for key in keys):
        keys = string_array(keys, (len(keys),))
    else:
        keys = np.asarray(keys, dtype=np.int64)
    values = list(mapping.values())
    if code == STRING:
        return keys, string_array(values, (len(values),))
    return keys, np.asarray(values, dtype=dtype_of(code) if code else None)


def dict_of(keys, values, _shape):
    return dict(zip(keys.tolist(), values.tolist()))


def sparse_parts(tensor):
    """Values, positions and shape of a SparseTensor, as ONNX stores them."""
    if not isinstance(tensor, SparseTensor):
        raise TypeError(f"a value of type {type(tensor)} is given for a sparse tensor")
    return tensor.values(), tensor.indices(), tuple(tensor.dense_shape().tolist())


def sparse_of(values, indices, shape):
    return SparseTensor(values, indices, shape)


def copied(value):
    """The same value with memory of its own."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, list):
        return [copied(item) for item in value]
    return value


# The next ones raise what onnxruntime raises.


def wrong_name(what, name, index):
    raise _errors.InvalidArgument(
        f"Invalid {what} name: {name!r}; the model's are {', '.join(map(repr, index))}")


def wrong_input(name, reason):
    raise _errors.InvalidArgument(f"input {name!r}: {reason}")


def missing_inputs(inputs, feed):
    missing = [name for name, type_text, _, has_default in inputs
               if name not in feed and not has_default and not type_text.startswith("optional")]
    raise ValueError(f"Required inputs ({missing}) are missing from input feed ({list(feed)}).")
