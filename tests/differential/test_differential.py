"""Some thousand cases of the differential tester, and the cases that it found. CORTEN_DIFFERENTIAL=N sets how
many."""
import os
import pathlib
import subprocess
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import regressions  # pylint: disable=wrong-import-position

COUNT = os.environ.get("CORTEN_DIFFERENTIAL", "3000")


class Differential(unittest.TestCase):
    def test_random_graphs_agree(self):
        done = subprocess.run([sys.executable, HERE / "differential.py", "--count", COUNT],
                              capture_output=True, text=True, check=False,
                              env={**os.environ, "CORTEN_VERIFY_PASSES": "1"})
        print(done.stdout.splitlines()[-1] if done.stdout else done.stderr)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_what_was_found_stays_fixed(self):
        for case in regressions.CASES:
            done = subprocess.run([sys.executable, HERE / "regressions.py", case.__name__],
                                  capture_output=True, text=True, check=False)
            with self.subTest(case.__name__):
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
