#!/usr/bin/env python3
"""Sum up results of tests: prints a line for each source and, last, `N passed, N failed`.

    python3 scripts/sum_results.py FOLDER...

Of each folder: ctest*.xml (JUnit, as ctest writes it), conformance*.txt and differential*.txt (the
output of `corten test` or of differential.py and then a line `exit code N`; the last line with both
counts is taken), and checks.tsv (rows of `pass` or `fail`, a tab, and a name). The exit code is 1 when anything failed or nothing ran.
"""
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree


def from_junit(path):
    """Passed, failed and the names of what failed; a test that did not run has failed."""
    cases = list(ElementTree.parse(path).getroot().iter("testcase"))
    bad = [case.get("name") for case in cases if case.get("status") not in ("run", "disabled")]
    return len(cases) - len(bad), len(bad), bad


def from_conformance(path):
    text = path.read_text(errors="replace")
    sums = [(int(passed), int(failed)) for passed, failed in
            re.findall(r"^.*?\b(\d+) passed\b.*?\b(\d+) failed\b", text, re.MULTILINE)]
    code = re.search(r"^exit code (\d+)\s*\Z", text, re.MULTILINE)
    passed, failed = sums[-1] if sums else (0, 0)
    names = []
    if not failed and (not sums or not code or code.group(1) != "0"):
        failed, names = 1, [f"the run itself: {code.group(0).strip() if code else 'cut off'}"]
    return passed, failed, names


def from_checks(path):
    rows = [line.split("\t", 1) for line in path.read_text().splitlines()]
    bad = [name for verdict, name in rows if verdict != "pass"]
    return len(rows) - len(bad), len(bad), bad


READERS = (("ctest*.xml", from_junit), ("conformance*.txt", from_conformance),
           ("differential*.txt", from_conformance),
           ("checks.tsv", from_checks))


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    total_passed = total_failed = 0
    for folder in map(pathlib.Path, sys.argv[1:]):
        for pattern, read in READERS:
            for path in sorted(folder.glob(pattern)):
                passed, failed, names = read(path)
                print(f"{path}: {passed} passed, {failed} failed")
                for name in names:
                    print(f"    failed: {name}")
                total_passed += passed
                total_failed += failed
    print(f"{total_passed} passed, {total_failed} failed")
    sys.exit(total_failed > 0 or total_passed == 0)


if __name__ == "__main__":
    main()
