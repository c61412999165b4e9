"""Small ONNX models and tensors as protobuf bytes, for tests that must not need the onnx package."""

import struct

import numpy as np

DTYPES = {
    "float32": 1, "uint8": 2, "int8": 3, "uint16": 4, "int16": 5, "int32": 6, "int64": 7,
    "str": 8, "bool": 9, "float16": 10, "float64": 11, "uint32": 12, "uint64": 13,
    "complex64": 14, "complex128": 15, "bfloat16": 16, "float8e4m3fn": 17, "uint4": 21, "int4": 22,
}


def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while True:
        out.append(value & 0x7F | (0x80 if value > 0x7F else 0))
        value >>= 7
        if not value:
            return bytes(out)


def field(number, value):
    """One field: an int as varint, text and bytes with their length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def tensor_type(dtype, shape):
    """TypeProto of a tensor; dimensions are ints or names."""
    dims = b"".join(field(1, field(1, d) if isinstance(d, int) else field(2, d)) for d in shape)
    return field(1, field(1, DTYPES[dtype]) + field(2, dims))


def sequence_type(element):
    return field(4, field(1, element))


def value_info(name, type_proto):
    return field(1, name) + field(2, type_proto)


def tensor(array, name=""):
    """TensorProto of a NumPy array (str and object arrays: strings)."""
    array = np.asarray(array)
    out = b"".join(field(1, d) for d in array.shape)
    if array.dtype.kind in "UO":
        out += field(2, DTYPES["str"])
        out += b"".join(field(6, str(s)) for s in array.flat)
    else:
        out += field(2, DTYPES[array.dtype.name]) + field(9, array.tobytes())
    return out + (field(8, name) if name else b"")


def sequence(arrays, name=""):
    return field(1, name) + field(2, 1) + b"".join(field(3, tensor(a)) for a in arrays)


def attribute_graph(name, graph_proto):
    return field(1, name) + field(6, graph_proto) + field(20, 5)


def attribute_int(name, value):
    return field(1, name) + field(3, value) + field(20, 2)


def attribute_float(name, value):
    return field(1, name) + varint(2 << 3 | 5) + struct.pack("<f", value) + field(20, 1)


def attribute_ints(name, values):
    return field(1, name) + b"".join(field(8, v) for v in values) + field(20, 7)


def node(op_type, inputs, outputs, attributes=(), name="", domain=""):
    out = b"".join(field(1, i) for i in inputs) + b"".join(field(2, o) for o in outputs)
    out += field(3, name) + field(4, op_type) + b"".join(field(5, a) for a in attributes)
    return out + (field(7, domain) if domain else b"")


def graph(nodes, inputs, outputs, initializers=(), name="g"):
    return (b"".join(field(1, n) for n in nodes) + field(2, name)
            + b"".join(field(5, t) for t in initializers)
            + b"".join(field(11, i) for i in inputs) + b"".join(field(12, o) for o in outputs))


def model(graph_proto, opset=17, metadata=()):
    out = field(1, 8) + field(2, "tests") + field(3, "1.2") + field(7, graph_proto)
    out += field(8, field(1, "") + field(2, opset))
    return out + b"".join(field(14, field(1, k) + field(2, v)) for k, v in metadata)


def add_model():
    """y[N,3] = x[N,3] + w[3], w = (1, 2, 3)."""
    return model(graph([node("Add", ["x", "w"], ["y"], name="plus")],
                       [value_info("x", tensor_type("float32", ["N", 3]))],
                       [value_info("y", tensor_type("float32", ["N", 3]))],
                       [tensor(np.array([1, 2, 3], np.float32), "w")]),
                 metadata=[("author", "tests")])


def identity_model(dtype, shape):
    return model(graph([node("Identity", ["x"], ["y"])],
                       [value_info("x", tensor_type(dtype, shape))],
                       [value_info("y", tensor_type(dtype, shape))]), opset=21)


def endless_model():
    """Loops as often as an int64 can say."""
    body = graph([node("Identity", ["c_in"], ["c_out"]), node("Add", ["v_in", "one"], ["v_out"])],
                 [value_info("i", tensor_type("int64", [])),
                  value_info("c_in", tensor_type("bool", [])),
                  value_info("v_in", tensor_type("float32", []))],
                 [value_info("c_out", tensor_type("bool", [])),
                  value_info("v_out", tensor_type("float32", []))],
                 [tensor(np.float32(1), "one")])
    return model(graph([node("Loop", ["trips", "go", "x"], ["y"], [attribute_graph("body", body)])],
                       [value_info("x", tensor_type("float32", []))],
                       [value_info("y", tensor_type("float32", []))],
                       [tensor(np.int64(2**62), "trips"), tensor(np.bool_(True), "go")]))


def bfloat16_bits(array):
    """Upper halves of float32 numbers, as NumPy writes them for ml_dtypes."""
    bits = np.frombuffer(np.asarray(array, np.float32).tobytes(), np.uint32) >> 16
    return bits.astype(np.uint16)


def png(pixels):
    """A PNG file of an array of height, width, 3 bytes."""
    import zlib
    height, width, _ = pixels.shape
    rows = b"".join(b"\0" + pixels[y].tobytes() for y in range(height))

    def chunk(kind, data):
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows))
            + chunk(b"IEND", b""))
