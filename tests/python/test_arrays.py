#!/usr/bin/env python3
"""Arrays of every type and layout, strings, sequences, maps and optionals go in and come out."""
import unittest

import ml_dtypes
import numpy as np
from onnx import TensorProto, helper

from support import RUNTIMES, corten, identity_model, main, model


def identity(element_type, x):
    session = corten.InferenceSession(identity_model(element_type, None))
    return session.run(None, {"x": x})[0]


class TestTypes(unittest.TestCase):
    def test_every_numpy_type(self):
        for name, number in {"float32": 1, "uint8": 2, "int8": 3, "uint16": 4, "int16": 5,
                             "int32": 6, "int64": 7, "bool": 9, "float16": 10, "float64": 11,
                             "uint32": 12, "uint64": 13, "complex64": 14,
                             "complex128": 15}.items():
            x = np.array([[0, 1, 3], [5, 7, 100]]).astype(name)
            y = identity(number, x)
            self.assertEqual(y.dtype, x.dtype)
            np.testing.assert_array_equal(x, y)

    def test_every_type_of_ml_dtypes(self):
        for name, number in {"bfloat16": 16, "float8_e4m3fn": 17, "float8_e4m3fnuz": 18,
                             "float8_e5m2": 19, "float8_e5m2fnuz": 20, "uint4": 21, "int4": 22,
                             "float4_e2m1fn": 23, "float8_e8m0fnu": 24, "uint2": 25,
                             "int2": 26, "float6_e2m3fn": 27, "float6_e3m2fn": 28}.items():
            with self.subTest(name):
                dtype = np.dtype(getattr(ml_dtypes, name))
                low = -2 if name in ("int4", "int2") else 1
                x = np.arange(low, low + 3).astype(dtype)
                for y in (identity(number, x),
                          corten.OrtValue.ortvalue_from_numpy(x).numpy()):
                    self.assertEqual(y.dtype, dtype)
                    self.assertEqual(x.tobytes(), y.tobytes())

    def test_bits_stand_for_types_that_numpy_lacks(self):
        x = np.array([0x3f80, 0x4000], np.uint16)
        self.assertEqual(identity(16, x).astype(np.float32).tolist(), [1, 2])
        value = corten.OrtValue.ortvalue_from_numpy_with_onnx_type(x, 16)
        self.assertEqual((value.data_type(), value.data_ptr()),
                         ("tensor(bfloat16)", x.ctypes.data))

    def test_every_layout(self):
        x = np.arange(24, dtype=np.float32).reshape(4, 6)
        unaligned = np.frombuffer(b"x" + x.tobytes(), np.uint8)[1:].view("f4").reshape(4, 6)
        frozen = x.copy()
        frozen.flags.writeable = False
        for y in (x.T, x[::2], x[:, ::-1], x[:, 1:3], np.asfortranarray(x), x.astype(">f4"),
                  unaligned, frozen, np.broadcast_to(x[0], (3, 6)), x[:0]):
            np.testing.assert_array_equal(identity(1, y), y)

    def test_types_without_equivalent(self):
        for x in (np.array(["2020-01-01"], "M8[D]"), np.zeros(2, "f4,i4"),
                  np.zeros(2, np.longdouble)):
            with self.assertRaisesRegex(corten.Error, "no equivalent"):
                identity(1, x)

    def test_lists_become_arrays_of_the_type_of_the_input(self):
        self.assertEqual(identity(1, [[1, 2.5]]).tolist(), [[1, 2.5]])
        self.assertEqual(identity(7, 3).tolist(), 3)


class TestStrings(unittest.TestCase):
    def test_every_kind_of_string_array(self):
        words = [["ab", ""], ["größer", "日本語"]]
        for x in (np.array(words), np.array(words, dtype=object)):
            y = identity(8, x)
            self.assertEqual((y.dtype, y.tolist()), (np.dtype(object), words))
        self.assertEqual(identity(8, np.array([b"ab", b"c"])).tolist(), ["ab", "c"])
        self.assertEqual(identity(8, np.array([["a\0b", "c"]], object)).tolist(), [["a\0b", "c"]])

    def test_other_objects_are_refused(self):
        with self.assertRaisesRegex(corten.Error, "element 1"):
            identity(8, np.array(["a", 7], object))


def sequence_info(name):
    return helper.make_tensor_sequence_value_info(name, TensorProto.FLOAT, None)


class TestContainers(unittest.TestCase):
    def test_sequences_are_lists(self):
        data = model([helper.make_node("SequenceInsert", ["s", "x"], ["t"])],
                     [sequence_info("s"), ("x", TensorProto.FLOAT, None)], [sequence_info("t")])
        x, items = np.ones(2, np.float32), [np.zeros((1, 3), np.float32)]
        for ort in RUNTIMES:
            (result,) = ort.InferenceSession(data).run(None, {"s": items, "x": x})
            self.assertIsInstance(result, list)
            self.assertEqual([r.tolist() for r in result], [[[0, 0, 0]], [1, 1]])

    def test_maps_are_dicts(self):
        node = helper.make_node("ZipMap", ["x"], ["y"], domain="ai.onnx.ml",
                                classlabels_strings=["a", "b"])
        kind = helper.make_sequence_type_proto(helper.make_map_type_proto(
            TensorProto.STRING, helper.make_tensor_type_proto(TensorProto.FLOAT, [])))
        graph = helper.make_graph(
            [node], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])],
            [helper.make_value_info("y", kind)])
        data = helper.make_model(graph, ir_version=8, opset_imports=[
            helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)])
        x = np.array([[1, 2], [3, 4]], np.float32)
        for ort in RUNTIMES:
            (result,) = ort.InferenceSession(data.SerializeToString()).run(None, {"x": x})
            self.assertEqual(result, [{"a": 1, "b": 2}, {"a": 3, "b": 4}])

    def test_optionals_may_be_none(self):
        kind = helper.make_optional_type_proto(
            helper.make_tensor_type_proto(TensorProto.FLOAT, [2]))
        data = model([helper.make_node("OptionalHasElement", ["x"], ["y"])],
                     [helper.make_value_info("x", kind)], [("y", TensorProto.BOOL, [])], opset=18)
        for ort in RUNTIMES:
            session = ort.InferenceSession(data)
            self.assertEqual(bool(session.run(None, {"x": np.ones(2, np.float32)})[0]), True)
            self.assertEqual(bool(session.run(None, {"x": None})[0]), False)

    def test_values_of_any_kind(self):
        value = corten.OrtValue.from_object({"a": 1.0, "b": 2.0})
        self.assertEqual((value.to_python(), value.data_type()),
                         ({"a": 1, "b": 2}, "map(string,tensor(double))"))
        value = corten.OrtValue.from_object([np.ones(1), np.zeros(2)])
        self.assertTrue(value.is_tensor_sequence())
        self.assertEqual([x.tolist() for x in value.to_python()], [[1], [0, 0]])
        self.assertFalse(corten.OrtValue.from_object(None).has_value())


if __name__ == "__main__":
    main()
