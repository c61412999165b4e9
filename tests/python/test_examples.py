#!/usr/bin/env python3
"""The examples of examples/python run and give what they say."""
import glob
import os
import re
import subprocess
import sys
import unittest

from support import ROOT, main


def output_of(name, *arguments):
    return subprocess.run([sys.executable, str(ROOT / "examples/python" / name), *arguments],
                          check=True, capture_output=True, text=True, timeout=120,
                          env=dict(os.environ)).stdout


class TestExamples(unittest.TestCase):
    def test_classify(self):
        paths = sorted(glob.glob(str(ROOT / "models/digits/images/*.png")))
        lines = output_of("classify.py", *paths).splitlines()
        self.assertEqual(len(lines), len(paths))
        right = [re.search(r"(\d)-\d+\.png: (\d) \(", line) for line in lines]
        self.assertGreaterEqual(sum(m[1] == m[2] for m in right), len(paths) - 1)

    def test_async_calls(self):
        self.assertEqual(output_of("async_calls.py"), "359 of 360 images are right\n")

    def test_io_binding(self):
        self.assertRegex(output_of("io_binding.py"), "^359 of 360 images are right, ")


if __name__ == "__main__":
    main()
