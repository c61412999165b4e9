"""docs/operators.md is what `corten operators --markdown` prints."""
import os
import pathlib
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CORTEN = pathlib.Path(os.environ.get("CORTEN_BUILD", ROOT / "build")) / "corten"


class OperatorsPage(unittest.TestCase):
    def test_the_page_is_up_to_date(self):
        printed = subprocess.run([CORTEN, "operators", "--markdown"], check=True,
                                 capture_output=True, text=True).stdout
        page = (ROOT / "docs/operators.md").read_text()
        self.assertEqual(page, printed, "run: build/corten operators --markdown > docs/operators.md")


if __name__ == "__main__":
    unittest.main()
