#!/usr/bin/env python3
"""mypy compares the declared types with the package itself."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

from support import corten, main

# Modules beneath the package have no stubs; they are not for others to import.
CONFIG = "[mypy]\nignore_errors = True\nfollow_imports = silent\n"
ALLOWED = "corten\\._.*\ncorten\\.capi.*\n"


class TestStubs(unittest.TestCase):
    def compare(self):
        with tempfile.TemporaryDirectory() as folder:
            config, allowed = (pathlib.Path(folder) / n for n in ("mypy.ini", "allowed"))
            config.write_text(CONFIG)
            allowed.write_text(ALLOWED)
            return subprocess.run(
                [sys.executable, "-m", "mypy.stubtest", "corten", "--ignore-missing-stub",
                 "--ignore-unused-allowlist", "--allowlist", str(allowed),
                 "--mypy-config-file", str(config)],
                capture_output=True, text=True, cwd=folder)

    def test_stubs_are_true(self):
        done = self.compare()
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("Success", done.stdout)

    def test_all_names_are_declared(self):
        folder = pathlib.Path(corten.__file__).parent
        self.assertTrue((folder / "py.typed").exists())
        stub = (folder / "__init__.pyi").read_text()
        for name in corten.__all__:
            self.assertRegex(stub, rf"(?m)^((class|def) {name}\b|{name} = )", name)


if __name__ == "__main__":
    main()
