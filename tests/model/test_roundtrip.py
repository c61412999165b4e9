#!/usr/bin/env python3
"""Models that are read and written lose nothing: the small ones of this repository, as one file
and with external data. roundtrip.py does the same for any other models."""
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
TOOL = pathlib.Path(os.environ.get("CORTEN_BUILD", "build")) / "tests" / "corten-roundtrip"
PATHS = [HERE.parent / "models", HERE.parent / "fuzz" / "corpus" / "fuzz_model"]


def main():
    failed = 0
    for options in ([], ["--external"]):
        command = [sys.executable, HERE / "roundtrip.py", *options, TOOL, *PATHS]
        failed |= subprocess.run(command, check=False).returncode
    return failed


if __name__ == "__main__":
    sys.exit(main())
