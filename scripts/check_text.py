#!/usr/bin/env python3
"""Check the texts of the project; prints each finding and exits with 1 if there is one.

    python3 scripts/check_text.py

- Files have at most 800 lines, but for pure tables (TABLES).
- No source is left unfinished (TODO and the like), and the library neither ends the process nor
  prints.
- Nothing names a path of one person's machine.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
MAX_LINES = 800
TABLES = {"src/ops/text/unicode_tables.c"}  # paths of files that may be longer
SOURCES = {".c", ".h", ".py", ".sh", ".def", ".cmake", ".txt", ".md"}

UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|not implemented|stub)\b", re.IGNORECASE)
UNFINISHED_IN = ("src/", "cli/", "image/", "include/", "server/", "python/")
ENDS_OR_PRINTS = re.compile(r"(?<![\w.>])(abort|exit|_exit|printf|puts|putchar|perror)\s*\(")
PRIVATE_PATH = re.compile(r"(?<![\w./$}-])/(work|home|root|Users)/[\w.]")


def project_files():
    """What git tracks or would track; all but hidden folders and builds where there is no git."""
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"],
                            cwd=ROOT, capture_output=True, text=True)
    if listed.returncode == 0:
        return [ROOT / name for name in sorted(set(listed.stdout.splitlines()))]
    return sorted(p for p in ROOT.rglob("*") if p.is_file() and
                  not str(p.relative_to(ROOT)).startswith(("build", ".git/")))


def without_comments(text):
    """C source with comments and strings blanked, lines kept."""
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"',
                  lambda m: "\n" * m.group(0).count("\n"), text, flags=re.DOTALL)


def findings(path, name):
    try:
        text = path.read_text()
    except (UnicodeDecodeError, FileNotFoundError):
        return
    lines = text.splitlines()
    if path.suffix in SOURCES and len(lines) > MAX_LINES and name not in TABLES:
        yield f"{name}: {len(lines)} lines, at most {MAX_LINES}"
    for number, line in enumerate(lines, 1):
        if name.startswith(UNFINISHED_IN) and UNFINISHED.search(line):
            yield f"{name}:{number}: unfinished: {line.strip()}"
        if PRIVATE_PATH.search(line):
            yield f"{name}:{number}: path of one machine: {line.strip()}"
    if name.startswith("src/") and path.suffix in (".c", ".h"):
        for number, line in enumerate(without_comments(text).splitlines(), 1):
            if ENDS_OR_PRINTS.search(line) and "__attribute__" not in line:
                yield f"{name}:{number}: the library ends the process or prints: {line.strip()}"


def main():
    files = project_files()
    problems = [p for path in files for p in findings(path, str(path.relative_to(ROOT)))]
    print("\n".join([*problems, f"text: {len(files)} files, {len(problems)} findings"]))
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
