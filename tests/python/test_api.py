#!/usr/bin/env python3
"""The same calls on corten and on onnxruntime: what a script relies on holds for both."""
import contextlib
import io
import os
import pathlib
import tempfile
import threading
import unittest

import numpy as np

from support import (ROOT, RUNTIMES, TensorProto, add_model, corten, helper, main, model,
                     slow_model)

DIGITS = str(ROOT / "models/digits/digits.onnx")
F4 = np.float32


def each_runtime(test):
    def run(self):
        for ort in RUNTIMES:
            with self.subTest(ort.__name__):
                test(self, ort)
    return run


class TestSessions(unittest.TestCase):
    @each_runtime
    def test_inputs_and_outputs_are_described(self, ort):
        session = ort.InferenceSession(DIGITS, providers=["CPUExecutionProvider"])
        (image,), (logits,) = session.get_inputs(), session.get_outputs()
        self.assertEqual((image.name, image.type, image.shape),
                         ("image", "tensor(float)", ["batch", 1, 8, 8]))
        self.assertEqual((logits.name, logits.type, logits.shape),
                         ("logits", "tensor(float)", ["batch", 10]))
        self.assertEqual(session.get_overridable_initializers(), [])
        self.assertEqual(session.get_providers(), ["CPUExecutionProvider"])
        self.assertIn("CPUExecutionProvider", session.get_provider_options())

    @each_runtime
    def test_metadata(self, ort):
        data = model([helper.make_node("Neg", ["x"], ["y"])], [("x", TensorProto.FLOAT, [2])],
                     [("y", TensorProto.FLOAT, [2])], author="somebody")
        with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
            file.write(data)
            file.flush()
            for source in (data, file.name, pathlib.Path(file.name)):
                meta = ort.InferenceSession(source).get_modelmeta()
                self.assertEqual(meta.producer_name, "corten-tests")
                self.assertEqual(meta.graph_name, "g")
                self.assertEqual(meta.custom_metadata_map, {"author": "somebody"})
                self.assertEqual((meta.domain, meta.description), ("", ""))

    @each_runtime
    def test_results_by_name(self, ort):
        data = model([helper.make_node("Neg", ["x"], ["y"]), helper.make_node("Abs", ["x"], ["z"])],
                     [("x", TensorProto.FLOAT, ["n"])],
                     [("y", TensorProto.FLOAT, ["n"]), ("z", TensorProto.FLOAT, ["n"])])
        session = ort.InferenceSession(data)
        x = np.array([1, -2, 3], F4)
        for names, expected in ((None, [-x, abs(x)]), ([], [-x, abs(x)]), (["z"], [abs(x)]),
                                (["z", "y"], [abs(x), -x])):
            results = session.run(names, {"x": x})
            self.assertEqual([r.tolist() for r in results], [e.tolist() for e in expected])

    @each_runtime
    def test_scalars_and_empty_arrays(self, ort):
        data = model([helper.make_node("Neg", ["x"], ["y"])], [("x", TensorProto.FLOAT, None)],
                     [("y", TensorProto.FLOAT, None)])
        session = ort.InferenceSession(data)
        for x in (np.array(2, F4), np.zeros((0, 3), F4)):
            (y,) = session.run(None, {"x": x})
            self.assertEqual((np.shape(y), y.dtype), (x.shape, F4))

    @each_runtime
    def test_default_of_an_input_can_be_replaced(self, ort):
        data = model([helper.make_node("Add", ["x", "w"], ["y"])],
                     [("x", TensorProto.FLOAT, [2]), ("w", TensorProto.FLOAT, [2])],
                     [("y", TensorProto.FLOAT, [2])],
                     [helper.make_tensor("w", TensorProto.FLOAT, [2], [10, 20])])
        session = ort.InferenceSession(data)
        self.assertEqual([i.name for i in session.get_inputs()], ["x"])
        self.assertEqual([i.name for i in session.get_overridable_initializers()], ["w"])
        x = np.ones(2, F4)
        self.assertEqual(session.run(None, {"x": x})[0].tolist(), [11, 21])
        self.assertEqual(session.run(None, {"x": x, "w": x})[0].tolist(), [2, 2])

    @each_runtime
    def test_initializers_from_the_caller(self, ort):
        weight = helper.make_tensor("w", TensorProto.FLOAT, [2], [10, 20])
        data = model([helper.make_node("Add", ["x", "w"], ["y"])], [("x", TensorProto.FLOAT, [2])],
                     [("y", TensorProto.FLOAT, [2])], [weight])
        options = ort.SessionOptions()
        value = ort.OrtValue.ortvalue_from_numpy(np.array([5, 6], F4))
        options.add_initializer("w", value)
        session = ort.InferenceSession(data, options)
        self.assertEqual(session.run(None, {"x": np.ones(2, F4)})[0].tolist(), [6, 7])

    @each_runtime
    def test_free_dimensions(self, ort):
        options = ort.SessionOptions()
        options.add_free_dimension_override_by_name("batch", 3)
        session = ort.InferenceSession(DIGITS, options)
        self.assertEqual(session.get_inputs()[0].shape, [3, 1, 8, 8])

    @each_runtime
    def test_optimized_model_is_written(self, ort):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "optimized.onnx")
            options = ort.SessionOptions()
            options.optimized_model_filepath = path
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
            ort.InferenceSession(DIGITS, options)
            x = np.zeros((1, 1, 8, 8), F4)
            again = ort.InferenceSession(path).run(None, {"image": x})
            first = ort.InferenceSession(DIGITS).run(None, {"image": x})
            np.testing.assert_allclose(again[0], first[0], rtol=1e-4, atol=1e-5)

    @each_runtime
    def test_options_keep_what_they_are_given(self, ort):
        options = ort.SessionOptions()
        for name, value in {"enable_cpu_mem_arena": False, "enable_mem_pattern": False,
                            "enable_mem_reuse": False, "enable_profiling": True,
                            "execution_mode": ort.ExecutionMode.ORT_PARALLEL,
                            "execution_order": ort.ExecutionOrder.PRIORITY_BASED,
                            "graph_optimization_level":
                                ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
                            "inter_op_num_threads": 2, "intra_op_num_threads": 3,
                            "log_severity_level": 3, "log_verbosity_level": 1, "logid": "me",
                            "optimized_model_filepath": "x", "profile_file_prefix": "p",
                            "use_deterministic_compute": True}.items():
            setattr(options, name, value)
            self.assertEqual(getattr(options, name), value, name)
        with self.assertRaises(TypeError):
            options.intra_op_num_threads = "3"
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.assertEqual(
            options.get_session_config_entry("session.intra_op.allow_spinning"), "0")

    @each_runtime
    def test_module_functions(self, ort):
        self.assertIn("CPUExecutionProvider", ort.get_available_providers())
        self.assertIn("CPUExecutionProvider", ort.get_all_providers())
        self.assertEqual(ort.get_device().split("-")[0], "CPU")
        self.assertRegex(ort.__version__, r"^\d+\.\d+\.\d+")
        ort.set_default_logger_severity(2)
        ort.set_seed(1)


class TestErrors(unittest.TestCase):
    def state(self, ort):
        from importlib import import_module
        return import_module(ort.__name__ + ".capi.onnxruntime_pybind11_state")

    @each_runtime
    def test_missing_and_wrong_names(self, ort):
        state, session = self.state(ort), ort.InferenceSession(add_model())
        x = np.ones((3, 4, 5), F4)
        with self.assertRaisesRegex(ValueError, "Required inputs.*'b'.* are missing"):
            session.run(None, {"a": x})
        with self.assertRaisesRegex(state.InvalidArgument, "zz"):
            session.run(None, {"a": x, "b": x, "zz": x})
        with self.assertRaisesRegex(state.InvalidArgument, "zz"):
            session.run(["zz"], {"a": x, "b": x})

    @each_runtime
    def test_wrong_types_and_shapes(self, ort):
        state, session = self.state(ort), ort.InferenceSession(add_model())
        x = np.ones((3, 4, 5), F4)
        with self.assertRaises(state.InvalidArgument):
            session.run(None, {"a": x, "b": x.astype(np.float64)})
        with self.assertRaises(state.InvalidArgument):
            session.run(None, {"a": x, "b": x[:2]})
        with self.assertRaises(state.InvalidArgument):
            session.run(None, {"a": x, "b": x[0]})

    @each_runtime
    def test_models_that_cannot_be_loaded(self, ort):
        state = self.state(ort)
        with self.assertRaises(state.NoSuchFile):
            ort.InferenceSession("/does/not/exist.onnx")
        with self.assertRaises(state.InvalidProtobuf):
            ort.InferenceSession(b"\xff\xff\xffno model")
        with self.assertRaises(TypeError):
            ort.InferenceSession(7)
        with self.assertRaises((state.Fail, state.InvalidGraph, state.InvalidArgument)):
            ort.InferenceSession(model([helper.make_node("Neg", ["nowhere"], ["y"])], [],
                                       [("y", TensorProto.FLOAT, [1])]))

    def test_configuration_without_effect_warns(self):
        for key, value, warned in (("session.set_denormal_as_zero", "1", True),
                                   ("session.set_denormal_as_zero", "0", False),
                                   ("session.use_ort_model_bytes_directly", "1", False),
                                   ("no.such.key", "1", True)):
            with contextlib.redirect_stderr(io.StringIO()) as written:
                corten.SessionOptions().add_session_config_entry(key, value)
            self.assertEqual(key in written.getvalue(), warned, key)

    def test_unknown_things_say_so(self):
        options = corten.SessionOptions()
        with self.assertRaisesRegex(self.state(corten).NotImplemented, "custom"):
            options.register_custom_ops_library("libx.so")
        with self.assertRaisesRegex(self.state(corten).NotImplemented, "cuda"):
            corten.OrtValue.ortvalue_from_numpy(np.ones(1, F4), "cuda", 0)


class TestOrtValues(unittest.TestCase):
    @each_runtime
    def test_from_numpy(self, ort):
        x = np.arange(6, dtype=F4).reshape(2, 3)
        value = ort.OrtValue.ortvalue_from_numpy(x)
        self.assertEqual(value.numpy().tolist(), x.tolist())
        self.assertEqual(list(value.shape()), [2, 3])
        self.assertEqual((value.data_type(), value.element_type(), value.device_name()),
                         ("tensor(float)", 1, "cpu"))
        self.assertEqual(value.data_ptr(), x.ctypes.data)  # no copy
        self.assertTrue(value.is_tensor() and value.has_value())
        self.assertFalse(value.is_sparse_tensor() or value.is_tensor_sequence())
        value.update_inplace(x + 1)
        self.assertEqual(x[0, 0], 1)

    @each_runtime
    def test_from_shape_and_type(self, ort):
        for element_type in (np.int64, 7):
            value = ort.OrtValue.ortvalue_from_shape_and_type([2, 1], element_type)
            value.update_inplace(np.array([[3], [4]], np.int64))
            self.assertEqual(value.numpy().tolist(), [[3], [4]])
            self.assertEqual(value.data_type(), "tensor(int64)")

    @each_runtime
    def test_runs(self, ort):
        session = ort.InferenceSession(add_model())
        x = np.random.default_rng(0).random((3, 4, 5), F4)
        value = ort.OrtValue.ortvalue_from_numpy(x)
        (result,) = session.run_with_ort_values(["c"], {"a": value, "b": value})
        np.testing.assert_array_equal(result.numpy(), x + x)

    @each_runtime
    def test_dlpack(self, ort):
        x = np.arange(4, dtype=np.int32)
        value = ort.OrtValue.from_dlpack(x)
        self.assertEqual(value.numpy().tolist(), [0, 1, 2, 3])
        back = np.from_dlpack(value)
        x[0] = 9
        self.assertEqual(back[0], 9)
        self.assertEqual(value.__dlpack_device__(), (1, 0))


class TestBindings(unittest.TestCase):
    @each_runtime
    def test_arrays_in_and_memory_of_the_session_out(self, ort):
        session = ort.InferenceSession(DIGITS)
        binding = session.io_binding()
        for batch in (2, 5, 5):
            x = np.random.default_rng(batch).random((batch, 1, 8, 8), F4)
            binding.bind_cpu_input("image", x)
            binding.bind_output("logits")
            session.run_with_iobinding(binding)
            expected = session.run(None, {"image": x})[0]
            np.testing.assert_array_equal(binding.copy_outputs_to_cpu()[0], expected)
            np.testing.assert_array_equal(binding.get_outputs()[0].numpy(), expected)

    @each_runtime
    def test_memory_of_the_caller(self, ort):
        session = ort.InferenceSession(add_model())
        a, b, c = (np.full((3, 4, 5), v, F4) for v in (1, 2, 0))
        binding = session.io_binding()
        binding.bind_input("a", "cpu", 0, np.float32, a.shape, a.ctypes.data)
        binding.bind_ortvalue_input("b", ort.OrtValue.ortvalue_from_numpy(b))
        binding.bind_output("c", "cpu", 0, np.float32, c.shape, c.ctypes.data)
        for value in (1, 7):
            a[:] = value
            session.run_with_iobinding(binding)
            self.assertTrue((c == value + 2).all())
        binding.bind_ortvalue_output("c", ort.OrtValue.ortvalue_from_shape_and_type(
            [3, 4, 5], np.float32))
        session.run_with_iobinding(binding)
        self.assertTrue((binding.get_outputs()[0].numpy() == 9).all())
        binding.clear_binding_inputs()
        binding.clear_binding_outputs()


class TestRuns(unittest.TestCase):
    @each_runtime
    def test_async(self, ort):
        options = ort.SessionOptions()
        options.intra_op_num_threads = 2
        session = ort.InferenceSession(add_model(), options)
        done, seen = threading.Event(), []

        def callback(results, user_data, error):
            seen.append((results, user_data, error))
            done.set()

        x = np.ones((3, 4, 5), F4)
        session.run_async(["c"], {"a": x, "b": x}, callback, "mine")
        self.assertTrue(done.wait(20))
        results, user_data, error = seen[0]
        self.assertEqual((user_data, error), ("mine", ""))
        np.testing.assert_array_equal(results[0], x + x)

    @each_runtime
    def test_terminate_from_another_thread(self, ort):
        session = ort.InferenceSession(slow_model())
        options = ort.RunOptions()
        timer = threading.Timer(0.2, setattr, (options, "terminate", True))
        timer.start()
        with self.assertRaises(Exception) as caught:
            session.run(None, {"n": np.array(10**7), "x": np.ones((256, 256), F4)}, options)
        timer.join()
        if ort is corten:
            self.assertIsInstance(caught.exception, corten.Cancelled)

    @each_runtime
    def test_profile(self, ort):
        with tempfile.TemporaryDirectory() as folder:
            options = ort.SessionOptions()
            options.enable_profiling = True
            options.profile_file_prefix = os.path.join(folder, "trace")
            session = ort.InferenceSession(add_model(), options)
            x = np.ones((3, 4, 5), F4)
            session.run(None, {"a": x, "b": x})
            self.assertGreater(session.get_profiling_start_time_ns(), 0)
            path = session.end_profiling()
            self.assertTrue(path.startswith(os.path.join(folder, "trace")))
            import json
            with open(path, encoding="utf-8") as file:
                events = json.load(file)
            self.assertIn("Add", [e.get("args", {}).get("op_name") for e in events])


if __name__ == "__main__":
    main()
