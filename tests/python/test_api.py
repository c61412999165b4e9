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
    def test_free_dimensions_by_denotation(self, ort):
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])
        x.type.tensor_type.shape.dim[0].denotation = "DATA_BATCH"
        data = model([helper.make_node("Neg", ["x"], ["y"])], [x], [("y", TensorProto.FLOAT, ["n", 2])])
        options = ort.SessionOptions()
        options.add_free_dimension_override_by_denotation("DATA_BATCH", 3)
        session = ort.InferenceSession(data, options)
        self.assertEqual(session.get_inputs()[0].shape, [3, 2])
        value = np.arange(6, dtype=F4).reshape(3, 2)
        np.testing.assert_array_equal(session.run(None, {"x": value})[0], -value)
        with self.assertRaises(Exception):
            session.run(None, {"x": value[:2]})

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
        for key, value, warned in (("session.load_model_format", "ORT", True),
                                   ("session.load_model_format", "ONNX", False),
                                   ("session.set_denormal_as_zero", "1", False),
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


class TestConfiguration(unittest.TestCase):
    """Session configuration acts as onnxruntime's does."""

    def session(self, ort, data, **entries):
        options = ort.SessionOptions()
        options.intra_op_num_threads = 2
        for key, value in entries.items():
            options.add_session_config_entry("session." + key.replace("__", "."), value)
        return ort.InferenceSession(data, options)

    @each_runtime
    def test_denormals(self, ort):
        data = model([helper.make_node("Add", ["x", "x"], ["y"])],
                     [("x", TensorProto.FLOAT, ["n"])], [("y", TensorProto.FLOAT, ["n"])])
        x = np.full(100000, 1e-39, F4)
        for value, expected in (("1", 0), ("0", 2e-39)):
            (y,) = self.session(ort, data, set_denormal_as_zero=value).run(None, {"x": x})
            if ort is corten:  # onnxruntime heeds only the first session of a process
                np.testing.assert_array_equal(y, np.full(100000, expected, F4))
                self.assertGreater((x + x)[0], 0)  # the caller's state is as it was

    @each_runtime
    def test_keys_that_change_speed_and_memory_only(self, ort):
        x = np.random.default_rng(0).random((2, 1, 8, 8), F4)
        expected = ort.InferenceSession(DIGITS).run(None, {"image": x})[0]
        for entries in ({"intra_op__allow_spinning": "0"}, {"force_spinning_stop": "1"},
                        {"intra_op_thread_affinities": "1"}, {"disable_prepacking": "1"},
                        {"use_env_allocators": "1"}, {"use_ort_model_bytes_directly": "1"},
                        {"disable_quant_qdq": "1"}):
            session = self.session(ort, DIGITS, **entries)
            found = session.run(None, {"image": x})[0]
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5, err_msg=str(entries))

    @each_runtime
    def test_affinities_are_as_many_as_threads(self, ort):
        with self.assertRaises(Exception):
            self.session(ort, DIGITS, intra_op_thread_affinities="1;1;1")

    def test_prepacking(self):
        """What the key is for: no second copy of the weights."""
        path = str(ROOT / "tests/models/resnet50-classic.onnx")
        x = np.random.default_rng(0).random((1, 3, 64, 64), F4)
        packed, lean = (self.session(corten, path, disable_prepacking=v) for v in "01")
        a, b = (s.run(None, {"pixel_values": x})[0] for s in (packed, lean))
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
        self.assertGreater(packed.memory()["packed_bytes"], 0)
        self.assertLess(lean.memory()["packed_bytes"], packed.memory()["packed_bytes"] / 4)

    @each_runtime
    def test_shrinking_after_a_run(self, ort):
        session, options = ort.InferenceSession(DIGITS), ort.RunOptions()
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        x = np.zeros((2, 1, 8, 8), F4)
        np.testing.assert_array_equal(session.run(None, {"image": x}, options)[0],
                                      session.run(None, {"image": x})[0])
        if ort is corten:
            session.run(None, {"image": x}, options)
            self.assertEqual(session.memory()["arena_bytes"], 0)


class TestSharing(unittest.TestCase):
    def test_threads_without_threads_of_their_own(self):
        # One runtime is enough: onnxruntime wants this set before anything else is.
        corten.set_global_thread_pool_sizes(3, 1)
        options = corten.SessionOptions()
        options.use_per_session_threads = False
        before = len(os.listdir("/proc/self/task"))
        sessions = [corten.InferenceSession(DIGITS, options) for _ in range(4)]
        self.assertEqual([s.threads for s in sessions], [3] * 4)
        self.assertEqual(len(os.listdir("/proc/self/task")), before + 2)
        corten.set_global_thread_pool_sizes()

    def test_pools_and_weights(self):
        pool, weights = corten.ThreadPool(2, spinning=False), corten.SharedWeights()
        self.assertEqual((pool.threads, weights.size_bytes), (2, 0))
        options = corten.SessionOptions()
        options.thread_pool, options.shared_weights = pool, weights
        a, b = (corten.InferenceSession(DIGITS, options) for _ in range(2))
        x = np.random.default_rng(0).random((2, 1, 8, 8), F4)
        expected = corten.InferenceSession(DIGITS).run(None, {"image": x})[0]
        np.testing.assert_array_equal(a.run(None, {"image": x})[0], expected)
        size = weights.size_bytes
        self.assertGreater(size, 0)
        del a, pool, weights, options  # the other session keeps what it needs
        np.testing.assert_array_equal(b.run(None, {"image": x})[0], expected)
        self.assertEqual(b.memory()["packed_bytes"], 0)

    @each_runtime
    def test_allocators_that_are_registered(self, ort):
        info = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0,
                                 ort.OrtMemType.DEFAULT)
        with contextlib.suppress(Exception):  # onnxruntime takes one in a process
            ort.create_and_register_allocator(info, ort.OrtArenaCfg(0, -1, -1, -1))
        options = ort.SessionOptions()
        options.add_session_config_entry("session.use_env_allocators", "1")
        ort.InferenceSession(DIGITS, options).run(None, {"image": np.zeros((1, 1, 8, 8), F4)})

    @each_runtime
    def test_seeds(self, ort):
        data = model([helper.make_node("RandomNormalLike", ["x"], ["y"])],
                     [("x", TensorProto.FLOAT, [8])], [("y", TensorProto.FLOAT, [8])])
        x, results = np.zeros(8, F4), []
        for seed in (7, 7, 8):
            ort.set_seed(seed)
            session = ort.InferenceSession(data)
            results.append([session.run(None, {"x": x})[0].tolist() for _ in range(2)])
        if ort is corten:
            corten._options.default_seed = None
        self.assertEqual(results[0], results[1])
        self.assertNotEqual(results[0], results[2])
        self.assertNotEqual(results[0][0], results[0][1])


class TestMoreValues(unittest.TestCase):
    @each_runtime
    def test_vectors(self, ort):
        from importlib import import_module
        state = import_module(ort.__name__ + ".capi.onnxruntime_pybind11_state")
        session = ort.InferenceSession(add_model())
        x = np.random.default_rng(0).random((3, 4, 5), F4)
        feeds, fetches = state.OrtValueVector(), state.OrtValueVector()
        feeds.reserve(2)
        for _ in range(2):
            feeds.push_back(ort.OrtValue.ortvalue_from_numpy(x)._ortvalue)
        device = ort.OrtDevice.make("cpu", 0)._get_c_device()
        session.run_with_ortvaluevector(ort.RunOptions(), ["a", "b"], feeds, ["c"], fetches,
                                        [device])
        self.assertEqual((len(fetches), fetches.element_type_at(0)), (1, TensorProto.FLOAT))
        np.testing.assert_array_equal(fetches[0].numpy(), x + x)
        self.assertEqual(fetches.bool_tensor_indices(), [])
        self.assertEqual(len(fetches.to_dlpacks(None)), 1)

    @each_runtime
    def test_sparse_tensors(self, ort):
        device = ort.OrtDevice.make("cpu", 0)
        values = np.array([5, 6, 7], F4)
        for indices in (np.array([1, 4, 8], np.int64),
                        np.array([[0, 1], [1, 1], [2, 2]], np.int64)):
            tensor = ort.SparseTensor.sparse_coo_from_numpy([3, 3], values, indices, device)
            self.assertEqual(tensor.format(), ort.OrtSparseFormat.ORT_SPARSE_COO)
            self.assertEqual(tensor.values().tolist(), [5, 6, 7])
            self.assertEqual(list(tensor.dense_shape()), [3, 3])
            self.assertEqual(tensor.as_coo_view().indices().tolist(), indices.tolist())
            self.assertEqual((tensor.data_type(), tensor.device_name().lower()),
                             ("sparse_tensor(float)", "cpu"))
            value = ort.OrtValue.ort_value_from_sparse_tensor(tensor)
            self.assertTrue(value.is_sparse_tensor() and not value.is_tensor())
            again = value.as_sparse_tensor()
            self.assertEqual(again.values().tolist(), [5, 6, 7])
            self.assertEqual(list(again.dense_shape()), [3, 3])
        rows = ort.SparseTensor.sparse_csr_from_numpy(
            [3, 3], values, np.array([1, 1, 2], np.int64), np.array([0, 1, 2, 3], np.int64), device)
        self.assertEqual(rows.format(), ort.OrtSparseFormat.ORT_SPARSE_CSRC)
        self.assertEqual(rows.as_csrc_view().inner().tolist(), [1, 1, 2])
        self.assertEqual(rows.as_csrc_view().outer().tolist(), [0, 1, 2, 3])

    def test_sparse_tensors_are_checked(self):
        for indices in ([0, 9, 1], [0, -1, 1], [0, 1]):
            tensor = corten.SparseTensor.sparse_coo_from_numpy(
                [3, 3], np.ones(3, F4), np.array(indices, np.int64))
            with self.assertRaises(corten.Error):
                corten.OrtValue.ort_value_from_sparse_tensor(tensor)
        rows = corten.SparseTensor.sparse_csr_from_numpy(
            [3, 3], np.array([5, 6, 7], F4), [1, 1, 2], [0, 1, 2, 3])
        dense = [[0, 5, 0], [0, 6, 0], [0, 0, 7]]
        self.assertEqual(rows.to_dense().tolist(), dense)
        again = corten.OrtValue.ort_value_from_sparse_tensor(rows).as_sparse_tensor()
        self.assertEqual(again.to_dense().tolist(), dense)

    @each_runtime
    def test_external_data_in_memory(self, ort):
        import onnx
        with tempfile.TemporaryDirectory() as folder:
            weights = helper.make_tensor("w", TensorProto.FLOAT, [100],
                                         np.arange(100, dtype=F4).tobytes(), raw=True)
            data = model([helper.make_node("Add", ["x", "w"], ["y"])],
                         [("x", TensorProto.FLOAT, [100])], [("y", TensorProto.FLOAT, [100])],
                         [weights])
            path = os.path.join(folder, "m.onnx")
            onnx.save(onnx.load_from_string(data), path, save_as_external_data=True,
                      location="w.bin", size_threshold=0)
            with open(os.path.join(folder, "w.bin"), "rb") as file:
                content = file.read()
            with open(path, "rb") as file:
                data = file.read()
            options = ort.SessionOptions()
            options.add_external_initializers_from_files_in_memory(["w.bin"], [content],
                                                                   [len(content)])
            session = ort.InferenceSession(data, options)
            del content, options
            (y,) = session.run(None, {"x": np.ones(100, F4)})
            self.assertEqual(y.tolist(), list(range(1, 101)))

    @each_runtime
    def test_providers_of_options(self, ort):
        options = ort.SessionOptions()
        self.assertFalse(options.has_providers())
        options.add_provider("CPUExecutionProvider", {})
        self.assertTrue(options.has_providers())
        session = ort.InferenceSession(DIGITS, options)
        self.assertEqual(session.get_providers(), ["CPUExecutionProvider"])


class TestTraces(unittest.TestCase):
    def trace(self, ort):
        import json
        options = ort.SessionOptions()
        options.enable_profiling = True
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        # With packing, onnxruntime leaves the weights out of the fields.
        options.add_session_config_entry("session.disable_prepacking", "1")
        with tempfile.TemporaryDirectory() as folder:
            options.profile_file_prefix = os.path.join(folder, "trace")
            session = ort.InferenceSession(DIGITS, options)
            session.run(None, {"image": np.zeros((3, 1, 8, 8), F4)})
            with open(session.end_profiling(), encoding="utf-8") as file:
                return json.load(file)

    def test_fields_and_what_they_say_are_those_of_onnxruntime(self):
        ours, theirs = (self.trace(ort) for ort in RUNTIMES)
        for event in theirs + ours:
            self.assertEqual(event.keys(), {"cat", "pid", "tid", "dur", "ts", "ph", "name", "args"})
            self.assertEqual(event["ph"], "X")
        sessions = [{e["name"] for e in events if e["cat"] == "Session"}
                    for events in (theirs, ours)]
        self.assertLessEqual(sessions[0], sessions[1])
        self.assertEqual({e["cat"] for e in theirs}, {e["cat"] for e in ours})
        found = {e["name"]: e["args"] for e in ours if e["cat"] == "Node"}
        nodes = [e for e in theirs if e["cat"] == "Node"]
        self.assertGreater(len(nodes), 8)
        for node in nodes:
            if node["args"]["op_name"] == "Flatten":
                continue  # a view, which is no step here
            args = found[node["name"]]
            for key, value in node["args"].items():
                if key.startswith("mem_"):
                    continue  # of onnxruntime's allocator
                self.assertIn(key, args)
                if key in ("op_name", "provider", "input_type_shape", "output_type_shape",
                           "parameter_size", "activation_size", "output_size"):
                    self.assertEqual(args[key], value, (node["name"], key))
                self.assertIs(type(args[key]), type(value), key)


if __name__ == "__main__":
    main()
