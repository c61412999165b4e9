"""The operators of domain com.microsoft against ONNX Runtime's CPU provider, on random inputs.

Needs onnx and onnxruntime; without them nothing is tested. The program is $CORTEN_BIN, or corten in
$CORTEN_BUILD. CONTRIB_KEEP=FOLDER keeps the cases there.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
try:
    import ort_case
    import cases_attention
    import cases_basic
    import cases_quant
    import cases_late
    import cases_more
    import mutate
except ImportError as error:
    ort_case = None
    MISSING = str(error)

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
PROGRAM = os.environ.get("CORTEN_BIN") or os.path.join(
    os.environ.get("CORTEN_BUILD", os.path.join(ROOT, "build")), "corten")


@unittest.skipIf(ort_case is None, "onnx and onnxruntime are needed")
class ContribTest(unittest.TestCase):
    def compare(self, *groups):
        keep = os.environ.get("CONTRIB_KEEP")
        folder = tempfile.mkdtemp(prefix="corten-contrib-")
        if keep:
            shutil.rmtree(keep, ignore_errors=True)
            folder = keep
        else:
            self.addCleanup(shutil.rmtree, folder)
        cases = ort_case.Cases(folder)
        for group in groups:
            group(cases)
        if cases.failed:
            self.fail("ONNX Runtime refuses cases:\n" + "\n".join(cases.failed))
        for threads in ("1", "3"):
            done = subprocess.run([PROGRAM, "test", folder, "--threads", threads],
                                  capture_output=True, timeout=300)
            text = done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")
            self.assertEqual(done.returncode, 0, text)
            self.assertRegex(text, str(cases.count))

    def test_spoilt_cases_do_not_crash(self):
        folder = tempfile.mkdtemp(prefix="corten-contrib-")
        self.addCleanup(shutil.rmtree, folder)
        good, bad = os.path.join(folder, "good"), os.path.join(folder, "bad")
        cases = ort_case.Cases(good)
        for module in (cases_basic, cases_attention, cases_quant, cases_more, cases_late):
            for group in module.GROUPS:
                group(cases)
        mutate.mutate(good, bad, 400, seed=7)
        done = subprocess.run([PROGRAM, "test", bad, "--memory-limit", "2000"],
                              capture_output=True, timeout=300)
        text = done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")
        self.assertIn("400 cases in", text)
        self.assertNotIn("its process", text)

    def test_basic(self):
        self.compare(*cases_basic.GROUPS)

    def test_attention(self):
        self.compare(*cases_attention.GROUPS)

    def test_quantised(self):
        self.compare(*cases_quant.GROUPS)

    def test_more(self):
        self.compare(*cases_more.GROUPS)

    def test_late(self):
        self.compare(*cases_late.GROUPS)


if __name__ == "__main__":
    unittest.main()
