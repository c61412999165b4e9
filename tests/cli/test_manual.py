"""The manual page and the completions name every command and option that the help names."""

import os
import re
import shutil
import subprocess
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.environ.get("CORTEN_BIN") or os.path.join(
    os.environ.get("CORTEN_BUILD", os.path.join(ROOT, "build")), "corten")
SHELLS = {"bash": ["-n"], "zsh": ["-n"], "fish": ["--no-execute"]}


def output_of(*words):
    return subprocess.run([PROGRAM, *words], check=True, capture_output=True, text=True).stdout


def commands():
    listed = output_of("help").split("Commands:\n")[1].split("\n\n")[0]
    return [name for name in re.findall(r"^  (\w+) ", listed, re.M) if name != "help"]


def options(command):
    """(name, letter or "") of each option in the help of a command."""
    return [(name, letter) for letter, name in
            re.findall(r"^  (?:-(\w), |    )--([\w-]+)", output_of("help", command), re.M)]


class TestManual(unittest.TestCase):
    def test_the_help_lists_something(self):
        self.assertGreaterEqual(len(commands()), 9)
        self.assertIn(("input", "i"), options("run"))
        self.assertIn(("level", ""), options("bench"))

    def test_manual_page_names_all(self):
        page = output_of("help", "--man")
        plain = page.replace("\\-", "-")
        for command in commands():
            self.assertIn(f"corten {command} ", plain)
            for name, letter in options(command):
                self.assertRegex(plain, rf"--{name}[ \n]")
                if letter:
                    self.assertRegex(plain, rf'BR -{letter} ", " --{name}\b')
        self.assertNotRegex(page, r"(?m)^\.(?!TH|SH|SS|TP|PP|BR|B|I|br|nf|fi)")

    def test_manual_page_is_clean_roff(self):
        man = shutil.which("groff")
        if man is None:
            self.assertTrue(output_of("help", "--man").startswith(".TH CORTEN 1"))
            return
        done = subprocess.run([man, "-man", "-Tutf8", "-ww"], input=output_of("help", "--man"),
                              capture_output=True, text=True, check=True)
        self.assertEqual(done.stderr, "")

    def test_completions_name_all(self):
        for shell in SHELLS:
            text = output_of("help", "--completion", shell)
            for command in commands():
                self.assertRegex(text, rf"\b{command}\b")
                for name, _ in options(command):
                    wanted = rf"-l {name}\b" if shell == "fish" else rf"--{name}\b"
                    self.assertRegex(text, wanted, f"{shell}: {command}")
            self.assertIn("extended", text)  # a choice of --level

    def test_shells_that_are_here_can_read_them(self):
        for shell, check in SHELLS.items():
            if shutil.which(shell):
                done = subprocess.run([shell, *check], input=output_of("help", "--completion", shell),
                                      capture_output=True, text=True)
                self.assertEqual((done.returncode, done.stderr), (0, ""), shell)

    def complete(self, *words):
        """What bash offers for the last word."""
        script = output_of("help", "--completion", "bash") + (
            f"\nCOMP_WORDS=(corten {' '.join(repr(w) for w in words)})\n"
            f"COMP_CWORD={len(words)}\n_corten\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n")
        return subprocess.run(["bash"], input=script, capture_output=True, text=True,
                              check=True).stdout.split()

    def test_bash_completes(self):
        self.assertEqual(self.complete("ins"), ["inspect"])
        self.assertEqual(self.complete("run", "--thr"), ["--threads"])
        self.assertEqual(self.complete("bench", "--level", "e"), ["extended"])
        self.assertEqual(self.complete("run", "model"), [])  # left to file names

    def test_unknown_requests_are_refused(self):
        for words in (["--completion", "csh"], ["--completion"], ["--manual"]):
            done = subprocess.run([PROGRAM, "help", *words], capture_output=True, text=True)
            self.assertEqual((done.returncode, done.stdout), (2, ""))

    def test_installed(self):
        build = os.path.dirname(PROGRAM)
        for name, words in {"corten.1": ["--man"], "corten": ["--completion", "bash"],
                            "_corten": ["--completion", "zsh"],
                            "corten.fish": ["--completion", "fish"]}.items():
            with open(os.path.join(build, "help", name)) as stream:
                self.assertEqual(stream.read(), output_of("help", *words))


if __name__ == "__main__":
    unittest.main()
