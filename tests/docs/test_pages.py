"""The chart is drawn from its figures, the README links every page, and no link leads nowhere."""

import glob
import os
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as stream:
        return stream.read()


class Pages(unittest.TestCase):
    def test_the_chart_is_that_of_the_figures(self):
        with tempfile.TemporaryDirectory() as folder:
            drawn = os.path.join(folder, "chart.svg")
            subprocess.run([sys.executable, os.path.join(ROOT, "bench/chart.py"),
                            os.path.join(ROOT, "docs/performance.json"), drawn], check=True)
            self.assertEqual(read(drawn), read("docs/performance.svg"))

    def test_the_readme_links_every_page(self):
        for page in glob.glob(os.path.join(ROOT, "docs/*.md")):
            self.assertIn(f"](docs/{os.path.basename(page)})", read("README.md"))

    def test_links_lead_somewhere(self):
        pages = [os.path.join(ROOT, n) for n in ("README.md", "CONTRIBUTING.md")]
        for page in pages + glob.glob(os.path.join(ROOT, "docs/*.md")):
            for target in re.findall(r"\]\(([^)#]+)[^)]*\)", read(page)):
                if not target.startswith("http"):
                    path = os.path.join(os.path.dirname(page), target)
                    self.assertTrue(os.path.exists(path), f"{page}: {target}")


if __name__ == "__main__":
    unittest.main()
