"""The shared library exports what scripts/exported_symbols.txt lists, and all of the header."""

import glob
import os
import re
import subprocess
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("CORTEN_BUILD", os.path.join(ROOT, "build"))


class Symbols(unittest.TestCase):
    def test_exported_symbols_are_those_listed(self):
        done = subprocess.run([sys.executable, os.path.join(ROOT, "scripts/check_symbols.py"),
                               os.path.join(BUILD, "libcorten.so")],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_the_list_is_that_of_the_headers(self):
        declared = set()
        for header in glob.glob(os.path.join(ROOT, "include/corten/*.h")):
            with open(header) as stream:
                text = re.sub(r"/\*.*?\*/", "", stream.read(), flags=re.S)
            declared |= set(re.findall(r"CORTEN_API\s[^;{(]*?\b(corten_\w+)\s*\(", text))
        with open(os.path.join(ROOT, "scripts/exported_symbols.txt")) as stream:
            self.assertEqual(sorted(declared), stream.read().split())


if __name__ == "__main__":
    unittest.main()
