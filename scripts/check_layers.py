#!/usr/bin/env python3
"""Check who includes whom; prints each wrong #include and exits with 1 if there is one.

    python3 scripts/check_layers.py
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# A folder of src/ and the folders just beneath it; what those see, it sees too.
BENEATH = {
    "base": [],
    "os": ["base"],
    "cpu": ["os"],
    "kernels": ["cpu"],
    "graph": ["os"],
    "model": ["graph"],
    "ops": ["graph", "kernels"],
    "passes": ["graph", "ops"],
    "quant": ["passes"],
    "plan": ["passes"],
    "providers": ["plan"],
    "exec": ["plan", "providers", "model"],
    "api": ["exec", "quant"],
    "ort": [],
}
INTRINSICS = re.compile(r"^(\w*intrin|x86gprintrin|arm_neon|arm_sve|cpuid)\.h$")
INTRINSIC_FOLDERS = ("src/kernels/x86", "src/kernels/simd", "src/kernels/tmpl", "src/kernels/arm")
CPUID_FOLDER = "src/cpu"  # detection of features needs <cpuid.h>
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
PUBLIC_ONLY = ("cli", "image", "server", "python", "examples", "src/ort")


def visible(layer):
    seen, waiting = set(), [layer]
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            waiting += BENEATH[one]
    return seen


def wrong_in_library(file, quoted, name):
    """Why a file of src/ may not include `name`, or None."""
    layer = file.relative_to(ROOT / "src").parts[0]
    if not quoted:
        return None
    if not (ROOT / "src" / name).is_file():
        return "is not the path of a file from src/ on"
    target = name.split("/")[0]
    if target not in BENEATH:
        return f"lies in src/{target}, which this script does not know"
    if target not in visible(layer):
        return f"is not beneath {layer}"
    return None


def wrong_outside(file, folder, quoted, name):
    """Why a file that may see the public headers only may not include `name`, or None."""
    if not quoted:
        return None
    for base in (file.parent, ROOT / folder):
        if (base / name).resolve().is_file() and (base / name).resolve().is_relative_to(
                ROOT / folder):
            return None
    return f"is not a file of {folder}/; the library is seen through <corten/...> only"


def wrong_intrinsics(path, quoted, name):
    if quoted or not INTRINSICS.match(name) or path.startswith(INTRINSIC_FOLDERS):
        return None
    if name == "cpuid.h" and path.startswith(CPUID_FOLDER):
        return None
    return "is a header of intrinsics, which belong in " + ", ".join(INTRINSIC_FOLDERS)


def check(file, folder):
    path = str(file.relative_to(ROOT))
    problems = []
    for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quoted, name = match.group(1) == '"', match.group(2)
        reason = wrong_intrinsics(path, quoted, name)
        if not reason:
            reason = (wrong_in_library(file, quoted, name) if folder == "src"
                      else wrong_outside(file, folder, quoted, name))
        if reason:
            problems.append(f"{path}:{number}: {name} {reason}")
    return problems


def main():
    problems, n_files = [], 0
    for top in ("src", *PUBLIC_ONLY):
        for file in sorted((ROOT / top).rglob("*")):
            outside = top == "src" and file.is_relative_to(ROOT / "src" / "ort")
            if file.suffix in (".c", ".h", ".def", ".inc") and not outside:
                n_files += 1
                problems += check(file, top)
    print("\n".join([*problems, f"layers: {n_files} files, {len(problems)} wrong includes"]))
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
