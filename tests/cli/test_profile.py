"""corten profile from outside: tables, JSON, the trace and the page."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.environ.get("CORTEN_BIN") or os.path.join(
    os.environ.get("CORTEN_BUILD", os.path.join(ROOT, "build")), "corten")
MODEL = os.path.join(ROOT, "tests/models/gpt2-step-classic.onnx")

# Of onnxruntime 1.31's trace of a model; its mem_… fields are about its own allocator.
EVENT = {"cat", "pid", "tid", "dur", "ts", "ph", "name", "args"}
NODE = {"op_name", "provider", "node_index", "input_type_shape", "output_type_shape",
        "parameter_size", "activation_size", "output_size", "thread_scheduling_stats"}
SESSION = {"model_loading_uri", "session_initialization", "SequentialExecutor::Execute",
           "model_run"}


class Profile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="corten-profile-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.trace, cls.page = (os.path.join(cls.folder, n) for n in ("trace.json", "page.html"))
        done = cls.call("--repeat", "3", "--trace", cls.trace, "--html", cls.page, "--json")
        cls.result = json.loads(done.stdout)

    @staticmethod
    def call(*words):
        return subprocess.run([PROGRAM, "profile", MODEL, "--peak-gflops", "100", "--peak-gbs",
                               "20", *words], capture_output=True, text=True, check=True,
                              timeout=120)

    def test_shares_add_up(self):
        self.assertAlmostEqual(sum(o["percent"] for o in self.result["operators"]), 100, 3)
        self.assertAlmostEqual(sum(n["percent"] for n in self.result["nodes"]), 100, 3)
        self.assertEqual(sum(o["calls"] for o in self.result["operators"]),
                         sum(n["calls"] for n in self.result["nodes"]))

    def test_phases_and_memory_are_there(self):
        self.assertEqual(list(self.result["phases"]),
                         ["load_ms", "optimize_ms", "plan_ms", "pack_ms", "first_run_ms",
                          "warm_run_ms"])
        memory = self.result["memory"]
        self.assertGreater(memory["weight_bytes"], 0)
        self.assertGreaterEqual(memory["peak_bytes"], memory["arena_bytes"])

    def test_products_have_rates(self):
        nodes = [n for n in self.result["nodes"] if n["op_type"] in ("MatMul", "Gemm")]
        self.assertTrue(nodes)
        for node in nodes:
            self.assertGreater(node["gflops"], 0)
            self.assertGreater(node["roofline"], 0)

    def test_the_trace_has_the_fields_of_onnxruntime(self):
        with open(self.trace) as stream:
            events = json.load(stream)
        for event in events:
            self.assertEqual(set(event), EVENT)
            self.assertEqual(event["ph"], "X")
            self.assertGreaterEqual(event["ts"], 0)
        nodes = [e for e in events if e["cat"] == "Node"]
        self.assertTrue(nodes)
        for node in nodes:
            self.assertTrue(node["name"].endswith("_kernel_time"))
            self.assertLessEqual(NODE, set(node["args"]))
            self.assertIsInstance(node["args"]["output_size"], str)
        self.assertLessEqual(SESSION, {e["name"] for e in events if e["cat"] == "Session"})
        self.assertEqual(sum(e["name"] == "model_run" for e in events), 4)

    def test_a_trace_of_onnxruntime_has_no_other_fields(self):
        try:
            import onnxruntime as ort
            import numpy as np
        except ImportError:
            self.skipTest("onnxruntime is not installed")
        options = ort.SessionOptions()
        options.enable_profiling = True
        options.profile_file_prefix = os.path.join(self.folder, "ort")
        session = ort.InferenceSession(MODEL, options, providers=["CPUExecutionProvider"])
        types = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(bool)": np.bool_}
        session.run(None, {i.name: np.zeros([d if isinstance(d, int) else 1 for d in i.shape],
                                            types[i.type]) for i in session.get_inputs()})
        with open(session.end_profiling()) as stream:
            theirs = json.load(stream)
        for event in theirs:
            self.assertEqual(set(event), EVENT)
            if event["cat"] == "Node" and event["name"].endswith("_kernel_time"):
                fields = {f for f in event["args"] if not f.startswith("mem_")}
                self.assertEqual(fields, NODE)
        names = {e["name"] for e in theirs if e["cat"] == "Session"}
        self.assertLessEqual(SESSION, names)

    def test_the_page_needs_nothing_else(self):
        with open(self.page) as stream:
            page = stream.read()
        for part in ("timeline", "shares", "roofline", "memory"):
            self.assertIn(f'id="{part}"', page)
        for outside in ("src=", "href=", "@import", "url("):
            self.assertNotIn(outside, page)

    def test_a_browser_draws_all_pictures(self):
        browser = shutil.which("chromium") or shutil.which("google-chrome")
        if not browser:
            self.skipTest("no Chromium is installed to draw the page with")
        done = subprocess.run(
            [browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom",
             f"--user-data-dir={self.folder}/browser", "file://" + self.page],
            capture_output=True, text=True, timeout=120)
        drawn = done.stdout
        for part, shapes in (("timeline", "<rect"), ("shares", "<rect"), ("roofline", "<circle"),
                             ("memory", "<path")):
            found = re.search(rf'<div id="{part}">(<svg.*?</svg>)', drawn, re.S)
            self.assertIsNotNone(found, part)
            self.assertIn(shapes, found[1])
            self.assertNotRegex(found[1], "NaN|Infinity|undefined")
        self.assertGreater(drawn.count("<tr>"), 3)

    def test_tables_are_printed(self):
        text = self.call("--repeat", "2", "--top", "3").stdout
        for word in ("operator", "slowest nodes", "first run", "packed weights", "roofline"):
            self.assertIn(word, text)


if __name__ == "__main__":
    unittest.main()
