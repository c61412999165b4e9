"""Every row of `corten operators` is exercised: by a case of the ONNX suite, by a generator of the differential
tester, or by a test of tests/."""
import json
import os
import pathlib
import re
import subprocess
import sys
import unittest

import onnx

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CORTEN_BUILD", ROOT / "build"))
SUITE = pathlib.Path(os.environ.get("CORTEN_SUITE", ROOT / "build/suite"))
sys.path.insert(0, str(ROOT / "tests/differential"))

import differential  # pylint: disable=wrong-import-position


def rows():
    printed = subprocess.run([BUILD / "corten", "operators", "--json"], check=True,
                             capture_output=True, text=True).stdout
    return {(r["domain"], r["name"], r["since"]) for r in json.loads(printed)["operators"]}


def versions(found):
    """{(domain, name): versions that rows start at}"""
    table = {}
    for domain, name, since in found:
        table.setdefault((domain, name), []).append(since)
    return {key: sorted(value) for key, value in table.items()}


def row_of(table, domain, name, opset):
    since = [s for s in table.get((domain, name), []) if s <= opset]
    return (domain, name, since[-1]) if since else None


def nodes_of(graph):
    for node in graph.node:
        yield node
        for attr in node.attribute:
            for inner in [attr.g, *attr.graphs]:
                yield from nodes_of(inner)


def rows_of_suite(table):
    """Nodes of all cases, those in functions too"""
    covered = set()
    for path in SUITE.glob("*/*/model.onnx"):
        model = onnx.load(path)
        opsets = {o.domain.replace("ai.onnx", "", 1) if o.domain == "ai.onnx" else o.domain: o.version
                  for o in model.opset_import}
        nodes = list(nodes_of(model.graph))
        for function in model.functions:
            nodes += function.node
        for node in nodes:
            domain = "" if node.domain == "ai.onnx" else node.domain
            covered.add(row_of(table, domain, node.op_type, opsets.get(domain, 1)))
    return covered


def rows_of_generators(table):
    covered = set()
    for _, choices in differential.choices([]):
        for name, domain, since in choices:
            last = since if domain else differential.last_version(name, since)
            for opset in range(since, last + 1):
                covered.add(row_of(table, domain, name, opset))
    return covered


def rows_of_tests(table):
    """What tests name: one_node_init(&x, "domain", "Name", OPSET, …), and any other test that has the name
    in quotes, for domains that have one version"""
    covered = set()
    for path in [*ROOT.glob("tests/**/*.c"), *ROOT.glob("tests/**/*.py")]:
        text = path.read_text(errors="replace")
        if "fuzz" in path.parts or path == pathlib.Path(__file__):
            continue
        for domain, name, opset in re.findall(
                r'one_node_init\(&?\w+,\s*"([^"]*)",\s*"(\w+)",\s*(\d+)', text):
            covered.add(row_of(table, domain, name, int(opset)))
        quoted = set(re.findall(r'["\'](\w+)["\']', text))
        for (domain, name), since in table.items():
            if domain and len(since) == 1 and name in quoted:
                covered.add((domain, name, since[0]))
    return covered


class RowsHaveCases(unittest.TestCase):
    def test_every_row_is_exercised(self):
        self.assertTrue(SUITE.is_dir(), f"{SUITE} is missing: run scripts/make_suite.py build/suite")
        found = rows()
        table = versions(found)
        covered = rows_of_suite(table) | rows_of_generators(table) | rows_of_tests(table)
        missing = sorted(found - covered)
        self.assertEqual(missing, [], f"{len(missing)} rows of {len(found)} without a case")


if __name__ == "__main__" and sys.argv[1:] == ["--list"]:
    TABLE = versions(rows())
    for row in sorted(rows() - (rows_of_suite(TABLE) | rows_of_generators(TABLE) | rows_of_tests(TABLE))):
        print(row[0] or "ai.onnx", row[1], row[2])
elif __name__ == "__main__":
    unittest.main()
