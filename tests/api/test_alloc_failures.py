"""Every allocation of opening and running a model may fail: cases of the ONNX suite, which have every operator
family, control flow, sequences, strings and quantised operators, and the models of tests/models.
CORTEN_TEST_LONG: all cases of the suite, and more places in each."""
import os
import pathlib
import subprocess
import tempfile
import unittest

import numpy as np
import onnx
from onnx import numpy_helper

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CORTEN_BUILD", ROOT / "build"))
SUITE = ROOT / "build" / "suite"
LONG = bool(os.environ.get("CORTEN_TEST_LONG"))
# Every how many of the suite's cases, and in how many places of each allocations fail.
STEP, MOST = (1, 400) if LONG else (25, 60)
ALWAYS = ["if", "if_seq", "loop11", "loop13_seq", "loop16_seq_none", "scan9_sum", "sequence_insert_at_front",
          "sequence_map_add_2_sequences", "optional_get_element_sequence", "string_concat", "string_split_basic",
          "regex_full_match_basic", "qlinearconv", "qlinearmatmul_2D_uint8_float32", "matmulinteger",
          "dynamicquantizelinear", "quantizelinear_axis", "dequantizelinear_blocked", "lstm_defaults", "einsum_sum",
          "tfidfvectorizer_tf_batch_onlybigrams_skip0", "nonzero_example", "unique_sorted_with_axis",
          "attention_4d_causal", "ai_onnx_ml_tree_ensemble_set_membership", "conv_with_strides_padding",
          "label_encoder_string_int"]


def run(*arguments):
    return subprocess.run([BUILD / "tests" / "corten-alloc-failures", *map(str, arguments)], capture_output=True,
                          text=True, check=False)


class AllocationFailures(unittest.TestCase):
    def check(self, *arguments):
        done = run(*arguments)
        print(done.stdout.splitlines()[-1] if done.stdout else "nothing")
        last = done.stderr.splitlines()[-20:]
        self.assertEqual(done.returncode, 0, done.stdout + "\n".join(last))

    def test_cases_of_the_suite(self):
        cases = {p.parent for p in SUITE.glob("*/*/model.onnx")}
        chosen = sorted(cases)[::STEP] + [c for c in cases if c.name.removeprefix("test_") in ALWAYS]
        refused = {line.split()[0] for line in
                   (ROOT / "tests" / "conformance" / "exceptions.txt").read_text().splitlines()
                   if line.strip() and line[0] != "#"}
        chosen = sorted(c for c in set(chosen) if c.name not in refused and c.name.removeprefix("test_") not in refused)
        self.assertGreater(len(chosen), 50)
        self.check("--most", MOST, *chosen)

    def test_models(self):
        for path in sorted((ROOT / "tests" / "models").glob("*.onnx")):
            data = np.load(path.with_name(path.stem.rpartition("-")[0] + ".npz"))
            model = onnx.load(path)
            with self.subTest(path.stem), tempfile.TemporaryDirectory() as folder:
                folder = pathlib.Path(folder)
                (folder / "test_data_set_0").mkdir()
                (folder / "model.onnx").write_bytes(path.read_bytes())
                constants = {t.name for t in model.graph.initializer}
                inputs = [i.name for i in model.graph.input if i.name not in constants]
                for i, name in enumerate(inputs):
                    tensor = numpy_helper.from_array(data[f"in:{name}"], name)
                    (folder / "test_data_set_0" / f"input_{i}.pb").write_bytes(tensor.SerializeToString())
                self.check("--most", MOST, folder)


if __name__ == "__main__":
    unittest.main()
