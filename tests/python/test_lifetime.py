#!/usr/bin/env python3
"""Memory outlives who made it, no reference leaks, threads share a session, Ctrl-C stops a run."""
import gc
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import weakref

import numpy as np

from support import ROOT, TensorProto, add_model, corten, identity_model, main, slow_model

DIGITS = str(ROOT / "models/digits/digits.onnx")
F4 = np.float32


class TestLifetimes(unittest.TestCase):
    def test_outputs_outlive_the_session(self):
        session = corten.InferenceSession(add_model())
        x = np.full((3, 4, 5), 2, F4)
        (y,) = session.run(None, {"a": x, "b": x})
        (value,) = session.run_with_ort_values(None, {"a": x, "b": x})
        del session
        gc.collect()
        rows = y[1:]
        del y
        gc.collect()
        self.assertTrue((rows == 4).all())
        self.assertTrue((value.numpy() == 4).all())
        view = value.numpy(copy=False)
        del value
        gc.collect()
        self.assertTrue((view == 4).all())

    def test_a_value_keeps_its_array(self):
        x = np.arange(1000, dtype=F4)
        value = corten.OrtValue.ortvalue_from_numpy(x)
        del x
        gc.collect()
        self.assertEqual(float(value.numpy().sum()), 499500)

    def test_inputs_are_let_go_after_the_run(self):
        class Array(np.ndarray):
            pass
        session = corten.InferenceSession(add_model())
        x = np.ones((3, 4, 5), F4).view(Array)
        gone = weakref.ref(x)
        session.run(None, {"a": x, "b": x})
        with self.assertRaises(corten.Error):
            session.run(["zz"], {"a": x, "b": x})
        del x
        gc.collect()
        self.assertIsNone(gone())

    def test_dlpack_capsules_that_nobody_takes(self):
        value = corten.OrtValue.ortvalue_from_numpy(np.ones(3, F4))
        value.__dlpack__()
        back = np.from_dlpack(value)
        del value
        gc.collect()
        self.assertEqual(back.tolist(), [1, 1, 1])
        capsule = np.ones(4, F4).__dlpack__()
        taken = corten.OrtValue.from_dlpack(capsule)
        with self.assertRaises(ValueError):
            corten.OrtValue.from_dlpack(capsule)
        self.assertEqual(taken.numpy().tolist(), [1, 1, 1, 1])

    def test_the_bytes_of_a_model_may_go(self):
        data = bytearray(add_model())
        session = corten.InferenceSession(data)
        data[:] = bytes(len(data))
        x = np.ones((3, 4, 5), F4)
        self.assertTrue((session.run(None, {"a": x, "b": x})[0] == 2).all())

    def test_no_memory_is_kept(self):
        def resident_bytes():
            with open("/proc/self/statm", encoding="ascii") as file:
                return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        session = corten.InferenceSession(identity_model(TensorProto.FLOAT))
        strings = corten.InferenceSession(identity_model(TensorProto.STRING))
        x, words = np.ones((100, 1000), F4), np.full((10, 100), "x" * 100, object)

        def work(count):
            for _ in range(count):
                session.run(None, {"x": x})
                session.run(None, {"x": x.T})
                strings.run(None, {"x": words})
                with self.assertRaises(corten.Error):
                    session.run(None, {"x": words})
        work(20)
        before = resident_bytes()
        work(300)  # would be 200 MB and more
        self.assertLess(resident_bytes() - before, 30e6)


class TestThreads(unittest.TestCase):
    def test_sixteen_threads_share_a_session(self):
        session = corten.InferenceSession(DIGITS)
        images = np.load(ROOT / "models/digits/test.npz")["in:image"]
        expected = session.run(None, {"image": images})[0]
        wrong, stop = [], time.monotonic() + float(os.environ.get("CORTEN_TEST_SECONDS", 2))

        def work(seed):
            random = np.random.default_rng(seed)
            while time.monotonic() < stop:
                first = random.integers(0, 300)
                count = random.integers(1, 9)
                options = corten.RunOptions()
                options.terminate = cancelled = bool(random.random() < 0.1)
                try:
                    (y,) = session.run(None, {"image": images[first:first + count]}, options)
                    if cancelled or not np.allclose(y, expected[first:first + count], atol=1e-4):
                        wrong.append(seed)
                except corten.Cancelled:
                    if not cancelled:
                        wrong.append(seed)
        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_python_goes_on_during_a_run(self):
        session, options = corten.InferenceSession(slow_model()), corten.RunOptions()
        feed = {"n": np.array(10**7), "x": np.ones((256, 256), F4)}
        ended = []

        def work():
            try:
                session.run(None, feed, options)
            except corten.Cancelled:
                ended.append("cancelled")
        thread = threading.Thread(target=work)
        thread.start()
        time.sleep(0.2)
        self.assertEqual(ended, [])
        options.terminate = True
        thread.join(20)
        self.assertEqual(ended, ["cancelled"])

    def test_deadline(self):
        session, options = corten.InferenceSession(slow_model()), corten.RunOptions()
        options.deadline_seconds = 0.1
        began = time.monotonic()
        with self.assertRaises(TimeoutError):
            session.run(None, {"n": np.array(10**7), "x": np.ones((256, 256), F4)}, options)
        self.assertLess(time.monotonic() - began, 10)

    def test_interrupt_stops_a_run(self):
        with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
            file.write(slow_model())
            file.flush()
            script = ("import corten, numpy as np, sys\n"
                      "s = corten.InferenceSession(sys.argv[1])\n"
                      "x = np.ones((256, 256), np.float32)\n"
                      "s.run(None, {'n': np.array(1), 'x': x})\n"
                      "print('ready', flush=True)\n"
                      "try:\n"
                      "    s.run(None, {'n': np.array(10**7), 'x': x})\n"
                      "except KeyboardInterrupt:\n"
                      "    s.run(None, {'n': np.array(1), 'x': x})\n"
                      "    print('interrupted', flush=True)\n")
            with subprocess.Popen([sys.executable, "-c", script, file.name], text=True,
                                  stdout=subprocess.PIPE) as process:
                try:
                    self.assertEqual(process.stdout.readline(), "ready\n")
                    time.sleep(0.3)
                    process.send_signal(signal.SIGINT)
                    self.assertEqual(process.communicate(timeout=30)[0], "interrupted\n")
                finally:
                    process.kill()


class TestSpeed(unittest.TestCase):
    def test_a_call_costs_little(self):
        """A call of Python's is 3 us over the C API's; this catches what is far from that."""
        options = corten.SessionOptions()
        options.intra_op_num_threads = 1
        session = corten.InferenceSession(add_model(), options)
        x = np.ones((3, 4, 5), F4)
        feed, calls, best = {"a": x, "b": x}, 5000, 1.0
        for _ in range(5):
            began = time.process_time()
            for _ in range(calls):
                session.run(None, feed)
            best = min(best, (time.process_time() - began) / calls)
        self.assertLess(best, 12e-6)

    def test_import_is_quick(self):
        """At most 30 ms beyond NumPy's; the best of some, because machines are busy."""
        script = ("import time, numpy\nbegan = time.process_time()\nimport corten\n"
                  "print(time.process_time() - began)")
        times = [float(subprocess.run([sys.executable, "-c", script], text=True, check=True,
                                      capture_output=True).stdout) for _ in range(5)]
        self.assertLess(min(times), 0.030)


if __name__ == "__main__":
    main()
