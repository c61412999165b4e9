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

    def test_embed_text(self):
        rows = [[float(x) for x in line.split()[1:6]]
                for line in output_of("embed_text.py").splitlines()]
        self.assertEqual(len(rows), 5)
        for i, row in enumerate(rows):
            self.assertEqual(row[i], 1)
        self.assertGreater(rows[0][1], max(rows[0][3:]))  # the cats are more alike than cat and bank
        self.assertGreater(rows[3][4], max(rows[3][:3]))
        same = output_of("embed_text.py", "one and two", "one and two").splitlines()
        self.assertIn("1.00  1.00", same[0])

    def test_generate(self):
        text, rate = output_of("generate.py", "To be", "--tokens", "20").splitlines()
        self.assertTrue(text.startswith("To be"))
        self.assertEqual(len(text), 25)
        self.assertRegex(rate, r"^20 tokens, \d+ steps a second$")

    def test_profiling(self):
        head, *rows = output_of("profiling.py").splitlines()
        self.assertEqual(head.split(), ["operator", "calls", "us", "share"])
        self.assertIn("Conv", " ".join(rows))
        shares = [float(re.search(r"([\d.]+)%", row)[1]) for row in rows]
        self.assertAlmostEqual(sum(shares), 100, delta=1)


if __name__ == "__main__":
    main()
