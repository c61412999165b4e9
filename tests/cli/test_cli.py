"""The command line from outside: what it prints, writes and exits with.

Runs with plain unittest and NumPy. The program is $CORTEN_BIN, or corten in $CORTEN_BUILD.
"""

import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import zipfile

import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import onnx_build as ob  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.environ.get("CORTEN_BIN") or os.path.join(
    os.environ.get("CORTEN_BUILD", os.path.join(ROOT, "build")), "corten")
COMMANDS = ["run", "inspect", "bench", "profile", "test"]


class CliTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="corten-cli-")
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, data):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as stream:
            stream.write(data)
        return path

    def call(self, *words, code=0):
        """Runs the program, checks its exit code, returns (stdout, stderr)."""
        done = subprocess.run([PROGRAM, *words], capture_output=True, timeout=120,
                              cwd=self.folder)
        out, err = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
        self.assertEqual(done.returncode, code, f"{words}\n{out}\n{err}")
        return out, err

    def call_json(self, *words, code=0):
        return json.loads(self.call(*words, "--json", code=code)[0])


class General(CliTest):
    def test_version_is_that_of_the_header(self):
        with open(os.path.join(ROOT, "include/corten/corten.h")) as stream:
            numbers = re.findall(r"#define CORTEN_VERSION_\w+ (\d+)", stream.read())
        self.assertEqual(self.call("--version")[0], "corten " + ".".join(numbers) + "\n")

    def test_help_lists_commands_and_their_options(self):
        overview = self.call("help")[0]
        for command in COMMANDS:
            self.assertRegex(overview, rf"(?m)^  {command} ")
            text = self.call(command, "--help")[0]
            self.assertEqual(text, self.call("help", command)[0])
            self.assertIn("--threads N", text)

    def test_documentation_names_every_option(self):
        with open(os.path.join(ROOT, "docs/cli.md")) as stream:
            text = stream.read()
        for command in COMMANDS:
            for option in re.findall(r"--[a-z][a-z-]*", self.call(command, "--help")[0]):
                self.assertIn(f"`{option}", text, f"{command} {option}")

    def test_no_command_is_a_usage_error(self):
        self.assertIn("Usage:", self.call(code=2)[1])

    def test_nearest_names_are_suggested(self):
        self.assertIn("did you mean 'inspect'?", self.call("inspct", code=2)[1])
        self.assertIn("did you mean 'bench'?", self.call("bnech", code=2)[1])
        self.assertNotIn("did you mean", self.call("xylophone", code=2)[1])
        self.assertIn("did you mean '--threads'?", self.call("run", "m", "--thread", "1",
                                                             code=2)[1])

    def test_wrong_usage_is_code_2(self):
        for words in (["run"], ["run", "a", "b"], ["run", "m", "--threads"],
                      ["run", "m", "--threads", "x"], ["run", "m", "--threads", "-1"],
                      ["run", "m", "--random=1"], ["run", "m", "--dim", "N"],
                      ["run", "m", "--dim", "=3"], ["run", "m", "--level", "most"],
                      ["run", "m", "--input", "x"], ["run", "m", "--int-range", "9:0"],
                      ["run", "m", "--shape", "x=2y3"], ["run", "m", "--mean", "1,,2"],
                      ["run", "m", "--rtol", "nan"], ["run", "m", "--compress"], ["run", "m", "-z"],
                      ["inspect", "m", "--dot", "--json"], ["test"],
                      ["test", "d", "--fork", "--no-fork"], ["help", "nothing"]):
            self.assertTrue(self.call(*words, code=2)[1].startswith("corten"), words)

    def test_missing_model_is_code_1(self):
        for command in ("run", "inspect", "bench"):
            self.assertIn("nowhere.onnx", self.call(command, "nowhere.onnx", code=1)[1])

    def test_garbage_model_is_code_1(self):
        model = self.write("bad.onnx", b"\xff" * 100)
        for command in ("run", "inspect", "bench"):
            self.assertTrue(self.call(command, model, code=1)[1].startswith(f"corten {command}:"))

    def test_full_output_device_is_an_error(self):
        if not os.path.exists("/dev/full"):
            self.skipTest("no /dev/full")
        with open("/dev/full", "w") as full:
            done = subprocess.run([PROGRAM, "help"], stdout=full, stderr=subprocess.PIPE)
        self.assertEqual(done.returncode, 1)


class Run(CliTest):
    def setUp(self):
        super().setUp()
        self.model = self.write("add.onnx", ob.add_model())
        self.x = np.array([[0, 1, 2], [10, 20, -30]], np.float32)
        self.y = self.x + np.array([1, 2, 3], np.float32)

    def identity(self, dtype, shape=("N",)):
        return self.write(f"identity-{dtype}.onnx", ob.identity_model(dtype, list(shape)))

    def save(self, name, array):
        np.save(self.path(name), array)
        return self.path(name)

    def test_npy_in_and_out(self):
        x = self.save("x.npy", self.x)
        self.call("run", self.model, "--input", f"x={x}", "-o", "y.npy")
        np.testing.assert_array_equal(np.load(self.path("y.npy")), self.y)

    def test_npy_in_fortran_order(self):
        x = self.save("x.npy", np.asfortranarray(self.x))
        self.call("run", self.model, "--input", f"x={x}", "-o", "y.npy")
        np.testing.assert_array_equal(np.load(self.path("y.npy")), self.y)

    def test_npz_stored_and_deflated(self):
        for save in (np.savez, np.savez_compressed):
            save(self.path("x.npz"), **{"in:x": self.x, "out:y": self.y, "out:other": self.y})
            for words in ([], ["--compress"]):
                self.call("run", self.model, "--inputs", "x.npz", "-o", "y.npz", *words)
                with np.load(self.path("y.npz")) as arrays:
                    self.assertEqual(arrays.files, ["y"])
                    np.testing.assert_array_equal(arrays["y"], self.y)
                kind = zipfile.ZipFile(self.path("y.npz")).infolist()[0].compress_type
                self.assertEqual(kind, zipfile.ZIP_DEFLATED if words else zipfile.ZIP_STORED)

    def test_npz_names_without_prefix(self):
        np.savez(self.path("x.npz"), x=self.x)
        self.call("run", self.model, "--inputs", "x.npz", "-o", "y.npy")
        np.testing.assert_array_equal(np.load(self.path("y.npy")), self.y)

    def test_npz_with_one_array_as_single_input(self):
        np.savez(self.path("x.npz"), anything=self.x)
        self.call("run", self.model, "--input", "x=x.npz", "-o", "y.npy")
        np.testing.assert_array_equal(np.load(self.path("y.npy")), self.y)

    def test_protobuf_in_and_out(self):
        self.write("x.pb", ob.tensor(self.x, "x"))
        self.call("run", self.model, "--input", "x=x.pb", "-o", "y.pb")
        with open(self.path("y.pb"), "rb") as stream:
            written = stream.read()
        self.assertIn(self.y.tobytes(), written)
        os.mkdir(self.path("out"))
        self.call("run", self.model, "--input", "x=x.pb", "-o", "out")
        with open(self.path("out/output_0.pb"), "rb") as stream:
            self.assertEqual(stream.read(), written)

    def test_summary_and_json(self):
        x = self.save("x.npy", self.x)
        out = self.call("run", self.model, "--input", f"x={x}")[0]
        self.assertRegex(out, r"y +float32\[2,3\] +-27 +22 +2\.5 +1 3 5 11 22 \.\.\.")
        found = self.call_json("run", self.model, "--input", f"x={x}")["outputs"][0]
        self.assertEqual((found["name"], found["dtype"], found["shape"]), ("y", "float32", [2, 3]))
        self.assertEqual((found["min"], found["max"], found["mean"]), (-27, 22, 2.5))
        self.assertEqual(found["first"], [1, 3, 5, 11, 22])
        found = self.call_json("run", self.model, "--input", f"x={x}", "--print")["outputs"][0]
        self.assertEqual(found["data"], self.y.flatten().tolist())

    def test_print_nests_like_numpy(self):
        x = self.save("x.npy", self.x)
        out = self.call("run", self.model, "--input", f"x={x}", "--print")[0]
        self.assertEqual(out, "y float32[2,3]\n[[1 3 5]\n [11 22 -27]]\n")

    def test_nan_and_infinity_are_shown(self):
        x = self.save("x.npy", np.array([np.nan, np.inf, -np.inf, 1], np.float32))
        model = self.identity("float32")
        out = self.call("run", model, "--input", f"x={x}")[0]
        self.assertIn("(1 nan)  (2 infinite)", out)
        found = self.call_json("run", model, "--input", f"x={x}")["outputs"][0]
        self.assertEqual(found["first"], ["nan", "inf", "-inf", 1])
        self.assertEqual((found["nan_count"], found["inf_count"]), (1, 2))

    def test_every_numpy_dtype_passes_through(self):
        for name in ("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64",
                     "int64", "float16", "float32", "float64", "complex64", "complex128"):
            array = np.array([0, 1, 3, 7]).astype(name)
            x = self.save("x.npy", array)
            model = self.identity(name)
            self.call("run", model, "--input", f"x={x}", "-o", "y.npy")
            found = np.load(self.path("y.npy"))
            self.assertEqual(found.dtype, array.dtype)
            np.testing.assert_array_equal(found, array)

    def test_large_integers_keep_all_digits(self):
        x = self.save("x.npy", np.array([2**63 - 1, -2**63], np.int64))
        out = self.call("run", self.identity("int64"), "--input", f"x={x}", "--json")[0]
        self.assertIn("9223372036854775807", out)
        self.assertIn("-9223372036854775808", out)

    def test_bfloat16_as_raw_elements(self):
        bits = ob.bfloat16_bits([1.5, -2, 1e30])
        x = self.save("x.npy", bits.view("V2"))
        model = self.identity("bfloat16")
        out = self.call("run", model, "--input", f"x={x}", "-o", "y.npy")[0]
        self.assertIn("bfloat16[3]", out)
        self.assertIn("1.5 -2 ", out)
        np.testing.assert_array_equal(np.load(self.path("y.npy")).view(np.uint16), bits)

    def test_int4_as_bytes(self):
        array = np.array([-8, 7, -1], np.int8)
        for data in (array, array.view("V1")):
            x = self.save("x.npy", data)
            out = self.call("run", self.identity("int4"), "--input", f"x={x}", "-o", "y.npy")[0]
            self.assertIn("-8 7 -1", out)
            np.testing.assert_array_equal(np.load(self.path("y.npy")).view(np.int8), array)

    def test_strings(self):
        words = np.array(["one", "zwölf", "", "日本"])
        x = self.save("x.npy", words)
        out = self.call("run", self.identity("str"), "--input", f"x={x}", "-o", "y.npy")[0]
        self.assertIn('"one" "zwölf" "" "日本"', out)
        np.testing.assert_array_equal(np.load(self.path("y.npy")), words)

    def test_sequences(self):
        element = ob.tensor_type("float32", ["N"])
        model = self.write("sequence.onnx", ob.model(ob.graph(
            [ob.node("Identity", ["x"], ["y"])], [ob.value_info("x", ob.sequence_type(element))],
            [ob.value_info("y", ob.sequence_type(element))])))
        self.write("x.pb", ob.sequence([np.float32([1, 2]), np.float32([3])], "x"))
        out = self.call("run", model, "--input", "x=x.pb", "-o", "y.npz")[0]
        self.assertIn("sequence of 2", out)
        self.assertRegex(out, r"y\[1\] +float32\[1\]")
        with np.load(self.path("y.npz")) as arrays:
            np.testing.assert_array_equal(arrays["y.0"], np.float32([1, 2]))
        items = self.call_json("run", model, "--input", "x=x.pb")["outputs"][0]["items"]
        self.assertEqual([item["first"] for item in items], [[1, 2], [3]])
        self.assertIn("cannot be made up", self.call("run", model, "--random", code=1)[1])

    def test_random_is_the_same_for_a_seed(self):
        def data(*words):
            return self.call_json("run", self.model, "--random", "--print", "--dim", "N=50",
                                  *words)["outputs"][0]["data"]
        self.assertEqual(data("--seed", "1"), data("--seed", "1"))
        self.assertNotEqual(data("--seed", "1"), data("--seed", "2"))
        numbers = np.array(data()).reshape(50, 3) - [1, 2, 3]
        self.assertLess(abs(numbers.mean()), 0.3)
        self.assertLess(abs(numbers.std() - 1), 0.3)

    def test_random_integers_stay_in_range(self):
        def data(dtype, *words):
            return self.call_json("run", self.identity(dtype), "--random", "--print", "--shape",
                                  "x=1000", *words)["outputs"][0]["data"]
        self.assertEqual(set(data("int64")), set(range(10)))
        self.assertEqual(set(data("int64", "--int-range", "-2:3")), set(range(-2, 4)))
        self.assertEqual(set(data("uint8", "--int-range", "x=254:300")), {254, 255})
        self.assertEqual(set(data("int4", "--int-range", "-99:99")), set(range(-8, 8)))
        self.assertEqual(set(data("str", "--int-range", "1:2")), {"w1", "w2"})

    def test_random_shape(self):
        found = self.call_json("run", self.model, "--random", "--shape", "x=7x3")["outputs"][0]
        self.assertEqual(found["shape"], [7, 3])
        found = self.call_json("run", self.model, "--random")["outputs"][0]
        self.assertEqual(found["shape"], [1, 3])

    def test_check_passes_and_fails(self):
        np.savez(self.path("good.npz"), **{"in:x": self.x, "out:y": self.y * (1 + 1e-6)})
        out = self.call("run", self.model, "--inputs", "good.npz", "--check", "good.npz", "-q")[0]
        self.assertRegex(out, r"^y +ok +relative error")
        bad = self.y.copy()
        bad[1, 2] += 0.1
        np.savez(self.path("bad.npz"), **{"in:x": self.x, "out:y": bad})
        words = ["run", self.model, "--inputs", "bad.npz", "--check", "bad.npz"]
        self.assertIn("FAILED", self.call(*words, code=1)[0])
        self.call(*words, "--rtol", "0.01")
        found = self.call_json(*words, code=1)["check"][0]
        self.assertEqual(found["result"], "FAILED")
        self.assertAlmostEqual(found["relative_error"], 0.1 / 26.9, places=4)

    def test_check_fails_on_nan_shape_and_missing(self):
        words = ["run", self.model, "--inputs", "a.npz", "--check", "a.npz"]
        bad = self.y.copy()
        bad[0, 1] = np.nan
        np.savez(self.path("a.npz"), **{"in:x": self.x, "out:y": bad})
        self.assertIn("at [0,1]: found 3, expected nan", self.call(*words, code=1)[0])
        np.savez(self.path("a.npz"), **{"in:x": self.x, "out:y": self.y[:1]})
        self.assertIn("found float32[2,3], expected float32[1,3]", self.call(*words, code=1)[0])
        np.savez(self.path("a.npz"), **{"in:x": self.x})
        self.assertIn("no array of the name", self.call(*words, code=1)[1])

    def test_check_wants_equal_integers(self):
        model = self.identity("int64")
        x = np.arange(5) + 10**6
        np.savez(self.path("a.npz"), **{"in:x": x, "out:y": x})
        self.call("run", model, "--inputs", "a.npz", "--check", "a.npz")
        np.savez(self.path("a.npz"), **{"in:x": x, "out:y": x + (np.arange(5) == 3)})
        self.call("run", model, "--inputs", "a.npz", "--check", "a.npz", code=1)

    def test_repeat_threads_and_levels(self):
        x = self.save("x.npy", self.x)
        for level in ("disable", "basic", "extended", "layout", "all"):
            found = self.call_json("run", self.model, "--input", f"x={x}", "--repeat", "3",
                                   "--threads", "2", "--level", level, "--print")
            self.assertEqual(found["runs"], 3)
            self.assertEqual(found["outputs"][0]["data"], self.y.flatten().tolist())

    def test_unknown_pass_is_an_error(self):
        self.assertIn("no_such_pass", self.call("run", self.model, "--random", "--disable-pass",
                                                "no_such_pass", code=1)[1])

    def test_inputs_that_do_not_fit(self):
        x = self.save("x.npy", self.x)
        self.assertIn("no such input, it has 'x'",
                      self.call("run", self.model, "--input", f"z={x}", code=1)[1])
        self.assertIn("given twice", self.call("run", self.model, "--input", f"x={x}", "--input",
                                               f"x={x}", code=1)[1])
        self.call("run", self.model, code=1)
        self.call("run", self.model, "--input", "x=nowhere.npy", code=1)
        self.call("run", self.model, "--input", "x=add.onnx", code=1)
        self.call("run", self.model, "--input", "x=" + self.save("d.npy", self.x[:, :2]), code=1)
        self.call("run", self.model, "--input", "x=" + self.save("d.npy", np.int32([[1, 2, 3]])),
                  code=1)
        np.savez(self.path("z.npz"), z=self.x)
        self.assertIn("'z'", self.call("run", self.model, "--inputs", "z.npz", code=1)[1])

    def test_output_that_cannot_be_written(self):
        self.call("run", self.model, "--random", "-o", "no/such/folder/y.npy", code=1)
        self.call("run", self.model, "--random", "-o", "no/such/folder/y.npz", code=1)
        self.call("run", self.model, "--random", "-o", "y.txt", code=1)

    def test_hostile_archives_only_fail(self):
        np.savez_compressed(self.path("x.npz"), x=np.zeros((100, 3), np.float32))
        with open(self.path("x.npz"), "rb") as stream:
            good = stream.read()
        random = np.random.default_rng(1)
        for _ in range(60):
            bad = bytearray(good)
            for _ in range(3):
                bad[random.integers(len(bad))] = random.integers(256)
            self.write("bad.npz", bytes(bad))
            done = subprocess.run([PROGRAM, "run", self.model, "--inputs", self.path("bad.npz")],
                                  capture_output=True, timeout=60)
            self.assertIn(done.returncode, (0, 1))
        self.write("bad.npz", good[:len(good) // 2])
        self.call("run", self.model, "--inputs", "bad.npz", code=1)

    def test_archive_that_claims_more_than_it_holds(self):
        header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (250000000000, 3)}\n"
        data = b"\x93NUMPY\x01\0" + struct.pack("<H", len(header)) + header + b"\0" * 64
        with zipfile.ZipFile(self.path("x.npz"), "w") as archive:
            archive.writestr("x.npy", data)
        self.assertIn("more than", self.call("run", self.model, "--inputs", "x.npz", code=1)[1])

    def test_picture(self):
        model = self.identity("float32", (1, 3, 4, 6))
        pixels = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3) * 3
        picture = self.write("photo.png", ob.png(pixels))
        self.call("run", model, "--input", f"x={picture}", "-o", "y.npy")
        expected = pixels.transpose(2, 0, 1)[None] / 255
        np.testing.assert_allclose(np.load(self.path("y.npy")), expected, rtol=1e-6)
        self.call("run", model, "--input", f"x={picture}", "-o", "y.npy", "--mean", "0.4,0.5,0.6",
                  "--std", "0.2,0.25,0.3", "--scale", "0.01")
        mean = np.array([0.4, 0.5, 0.6]).reshape(1, 3, 1, 1)
        std = np.array([0.2, 0.25, 0.3]).reshape(1, 3, 1, 1)
        expected = (pixels.transpose(2, 0, 1)[None] * 0.01 - mean) / std
        np.testing.assert_allclose(np.load(self.path("y.npy")), expected, rtol=1e-5, atol=1e-6)

    def test_picture_in_other_layouts_and_sizes(self):
        pixels = np.full((5, 7, 3), 200, np.uint8)
        self.write("photo.png", ob.png(pixels))
        nhwc = self.identity("uint8", (1, "H", "W", 3))
        self.call("run", nhwc, "--input", "x=photo.png", "--layout", "nhwc", "-o", "y.npy")
        np.testing.assert_array_equal(np.load(self.path("y.npy")), pixels[None])
        small = self.identity("float32", ("N", 3, 32, 16))
        self.call("run", small, "--input", "x=photo.png", "-o", "y.npy", "--scale", "1")
        np.testing.assert_allclose(np.load(self.path("y.npy")), np.full((1, 3, 32, 16), 200.0))
        self.write("broken.png", b"\x89PNG\r\n\x1a\nnonsense")
        self.assertIn("cannot decode", self.call("run", nhwc, "--input", "x=broken.png", "--layout",
                                                 "nhwc", code=1)[1])
        self.assertIn("channels", self.call("run", nhwc, "--input", "x=photo.png", "--shape",
                                            "x=1x2x2x9", "--mean", "1,2", code=1)[1])


class Inspect(CliTest):
    def setUp(self):
        super().setUp()
        self.model = self.write("add.onnx", ob.add_model())

    def test_text(self):
        out = self.call("inspect", self.model)[0]
        for pattern in (r"producer +tests 1\.2", r"opset +ai\.onnx 17", r"metadata +author = tests",
                        r"x +float32\[N,3\]", r"y +float32\[N,3\]", r"float32 +1 +3 +12 B",
                        r"Add +1 "):
            self.assertRegex(out, pattern)

    def test_dimensions_give_cost(self):
        found = self.call_json("inspect", self.model, "--dim", "N=100")
        self.assertEqual(found["outputs"][0]["shape"], [100, 3])
        self.assertEqual(found["flops"], 300)
        self.assertEqual(found["bytes"], 4 * (300 + 3 + 300))
        self.assertEqual(found["weights_size_bytes"], 12)
        unknown = self.call_json("inspect", self.model)
        self.assertEqual(unknown["inputs"][0]["shape"], ["N", 3])
        self.assertEqual(unknown["unknown"], 1)

    def test_nodes(self):
        out = self.call("inspect", self.model, "--nodes", "--dim", "N=2")[0]
        self.assertRegex(out, r"0 +Add +plus +6 +60 B +float32\[2,3\] +float32\[2,3\] float32\[3\]")
        nodes = self.call_json("inspect", self.model, "--nodes")["nodes"]
        self.assertEqual([n["op_type"] for n in nodes], ["Add"])
        self.assertEqual([i["name"] for i in nodes[0]["inputs"]], ["x", "w"])

    def test_dumps(self):
        self.assertIn("digraph", self.call("inspect", self.model, "--dot")[0])
        self.assertIn("Add", self.call("inspect", self.model, "--text")[0])

    def test_optimized_graph(self):
        self.call("inspect", self.model, "--optimize", "--level", "basic")


class Bench(CliTest):
    def setUp(self):
        super().setUp()
        self.model = self.write("add.onnx", ob.add_model())

    def test_text_has_all_rows(self):
        out, err = self.call("bench", self.model, "--time", "0.05")
        for name in ("load", "first run", "min", "mean", "p50", "p95", "p99", "p99.9",
                     "runs per second", "memory", "peak memory", "threads"):
            self.assertRegex(out, rf"(?m)^{re.escape(name)} +\d")
        self.assertEqual(err, "")  # no progress bar without a terminal

    def test_json_is_in_order(self):
        found = self.call_json("bench", self.model, "--repeat", "200", "--threads", "1",
                               "--warmup", "2")
        self.assertEqual((found["runs"], found["threads"]), (200, 1))
        times = [found[k] for k in ("min_ms", "p50_ms", "p95_ms", "p99_ms", "p99_9_ms")]
        self.assertEqual(times, sorted(times))
        self.assertGreaterEqual(found["peak_rss_bytes"], found["rss_bytes"])

    def test_time_is_kept(self):
        start = time.monotonic()
        self.call("bench", self.model, "--time", "0.3")
        self.assertLess(time.monotonic() - start, 10)

    def test_inputs_from_file(self):
        np.savez(self.path("x.npz"), x=np.zeros((4, 3), np.float32))
        self.call("bench", self.model, "--inputs", "x.npz", "--repeat", "5")


class Test(CliTest):
    def case(self, name, expected, tolerance=None, x=None, model=None):
        x = np.float32([[1, 2, 3]]) if x is None else x
        self.write(f"{name}/model.onnx", model or ob.add_model())
        self.write(f"{name}/test_data_set_0/input_0.pb", ob.tensor(x))
        self.write(f"{name}/test_data_set_0/output_0.pb", ob.tensor(expected))
        if tolerance:
            self.write(f"{name}/tolerance.txt", tolerance.encode())

    def test_counts_by_kind(self):
        self.case("s/node/test_a", np.float32([[2, 4, 6]]))
        self.case("s/node/test_b", np.float32([[2, 4, 6.1]]))
        self.case("s/simple/test_c", np.float32([[2, 4, 6]]))
        out, err = self.call("test", "s", code=1)
        self.assertTrue(out.endswith("2 passed, 1 failed\n"), out)
        self.assertRegex(out, r"(?m)^node +1 +1 +0$")
        self.assertRegex(out, r"(?m)^simple +1 +0 +0$")
        self.assertIn("FAILED  node/test_b: output 'y' at [0,2] found 6, expected 6.1", out)
        self.assertIn("1 of 3 cases failed", err)
        found = self.call_json("test", "s", "-v", code=1)
        self.assertEqual((found["passed"], found["failed"]), (2, 1))
        self.assertEqual(found["kinds"]["node"], {"passed": 1, "failed": 1,
                                                  "expected_failures": 0, "passed_by_distribution": 0})
        self.assertEqual(len(found["cases"]), 3)

    def test_all_ways_of_running_agree(self):
        self.case("s/node/test_a", np.float32([[2, 4, 6]]))
        self.case("s/node/test_b", np.float32([[2, 4, 6]]))
        for words in ([], ["--fork"], ["--no-fork"], ["--threads", "2"], ["--level", "disable"]):
            self.assertIn("2 passed, 0 failed", self.call("test", "s", *words)[0])

    def test_match_and_verbose(self):
        self.case("s/node/test_a", np.float32([[2, 4, 6]]))
        self.case("s/simple/test_b", np.float32([[2, 4, 6]]))
        out = self.call("test", "s", "--match", "test_b", "-v")[0]
        self.assertIn("passed  simple/test_b", out)
        self.assertIn("1 passed, 0 failed", out)
        self.assertIn("1 passed", self.call("test", "s", "--match", "node/*")[0])
        self.call("test", "s", "--match", "nothing", code=1)
        self.call("test", "nowhere", code=1)

    def test_tolerance_is_that_of_the_case(self):
        near = np.float32([[2, 4, 6.005]])
        self.case("s/node/test_default", near)
        self.assertIn("1 passed", self.call("test", "s")[0])
        self.case("s/node/test_default", near, "1e-5 1e-7")
        self.call("test", "s", code=1)
        self.case("s/node/test_default", near, "1e-5 0.01")
        self.call("test", "s")
        self.case("s/node/test_default", near, "nonsense")
        self.assertIn("tolerance.txt", self.call("test", "s", code=1)[0])

    def test_dtype_and_shape_must_match(self):
        self.case("s/node/test_a", np.float64([[2, 4, 6]]))
        self.assertIn("found float32[1,3], expected float64[1,3]",
                      self.call("test", "s", code=1)[0])
        self.case("s/node/test_a", np.float32([2, 4, 6]))
        self.assertIn("expected float32[3]", self.call("test", "s", code=1)[0])

    def test_nan_and_infinity(self):
        x = np.float32([np.nan, np.inf, -np.inf])
        model = ob.identity_model("float32", ["N"])
        self.case("s/node/test_a", x, x=x, model=model)
        self.call("test", "s")
        for other in ([0, np.inf, -np.inf], [np.nan, np.inf, np.inf], [np.nan, 1e38, -np.inf]):
            self.case("s/node/test_a", np.float32(other), x=x, model=model)
            self.call("test", "s", code=1)

    def test_exceptions(self):
        self.case("s/node/test_good", np.float32([[2, 4, 6]]))
        self.case("s/node/test_bad", np.float32([[2, 4, 7]]))
        self.write("list", b"# known\ntest_bad  the reason is this  # more\n\n")
        out = self.call("test", "s", "--exceptions", "list", "-v")[0]
        self.assertIn("1 failed as expected", out)
        self.assertIn("(listed: the reason is this)", out)
        self.assertTrue(out.endswith("1 passed, 0 failed\n"))
        self.write("list", b"node/test_bad reason\nnode/test_good reason\n")
        out = self.call("test", "s", "--exceptions", "list", code=1)[0]
        self.assertIn("test_good: passes, but is listed", out)
        for bad in (b"test_bad\n", b"test_bad r\ntest_bad r\n", b"test_none r\n"):
            self.write("list", bad)
            self.assertIn("'list'", self.call("test", "s", "--exceptions", "list", code=1)[1])

    def draws(self, nodes, line, code, text):
        """Runs one case from x, probabilities, to y under a line of the list of draws."""
        x = np.float32([0, 0.25, 0.5, 0.9, 1])
        infos = [[ob.value_info(n, ob.tensor_type("float32", [5]))] for n in "xy"]
        self.case("s/node/test_d", np.float32([0, 0, 1, 1, 1]), x=x,
                  model=ob.model(ob.graph(nodes, *infos), opset=22))
        self.write("list", line.encode())
        out, err = self.call("test", "s", "--draws", "list", code=code)
        self.assertIn(text, out + err)

    def test_draws_are_checked_by_their_distribution(self):
        def bernoulli(x, *attributes):
            return ob.node("Bernoulli", [x], ["y"], attributes)
        square, seed = ob.node("Mul", ["x", "x"], ["z"]), ob.attribute_float("seed", 3.0)
        line = "test_d bernoulli reason\n"
        passed = "1 passed (1 of them by distribution), 0 failed"
        self.draws([bernoulli("x")], line, 0, passed)
        self.draws([bernoulli("x", seed)], line, 0, passed)
        # Each of these is wrong in one way.
        self.draws([square, bernoulli("z")], line, 1, "of 1000 draws")
        self.draws([square, bernoulli("z", seed)], line, 1, "of 1000 draws")
        self.draws([bernoulli("x")], "test_d bernoulli-complement reason\n", 1, "element 0 is 0")
        self.draws([ob.node("Identity", ["x"], ["y"])], line, 1, "element 1 is 0.25")
        self.draws([ob.node("Ceil", ["x"], ["y"])], line, 1, "element 1 is 1 in 1000")
        hidden = ob.node("RandomNormal", [], ["unused"],
                         [seed, ob.attribute_ints("shape", [1])])
        self.draws([bernoulli("x"), hidden], line, 1, "the same seed gives another output")
        for bad in ("test_d bernoulli\n", "test_d normal reason\n", "test_e bernoulli reason\n"):
            self.draws([bernoulli("x")], bad, 1, "'list'")

    def test_broken_cases_fail_alone(self):
        self.case("s/node/test_a", np.float32([[2, 4, 6]]))
        self.case("s/node/test_model", np.float32([[2, 4, 6]]), model=b"\xff\xff")
        self.case("s/node/test_output", np.float32([[2, 4, 6]]))
        self.write("s/node/test_output/test_data_set_0/output_0.pb", b"\xff\xff")
        self.case("s/node/test_missing", np.float32([[2, 4, 6]]))
        os.remove(self.path("s/node/test_missing/test_data_set_0/output_0.pb"))
        self.write("s/node/test_empty/model.onnx", ob.add_model())
        self.assertIn("1 passed, 4 failed", self.call("test", "s", code=1)[0])

    def test_hang_costs_one_case(self):
        self.case("s/node/test_a", np.float32([[2, 4, 6]]))
        self.case("s/node/test_b_endless", np.float32(0), x=np.float32(0),
                  model=ob.endless_model())
        self.case("s/node/test_c", np.float32([[2, 4, 6]]))
        for words in ([], ["--fork"]):
            out = self.call("test", "s", "--timeout", "0.7", *words, code=1)[0]
            self.assertIn("test_b_endless: hangs", out)
            self.assertIn("2 passed, 1 failed", out)


if __name__ == "__main__":
    unittest.main()
