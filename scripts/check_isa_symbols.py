#!/usr/bin/env python3
"""Check which names the built library defines; prints each wrong one and exits with 1 if there is one.

    python3 scripts/check_isa_symbols.py BUILD

- An object file that is compiled for more than the baseline (src/kernels/x86/*_ISA.c) defines only
  names that a list src/kernels/*.def holds, whole or as the end after ct_<what>_. Anything else, such as a function that was meant to be
  inline, could be taken by the linker for the whole program and fail on a lesser processor.
- No ISA file is without a kernel of a list.
- The shared library exports names that begin with corten_ only, and all that corten.h declares.
"""
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ISA_NAME = re.compile(r"_(sse41|avx2|avx512|avx512vnni|avx512bf16|amx)$")


def defined_names(path, *options):
    out = subprocess.run(["nm", "--defined-only", "--format=posix", *options, str(path)],
                         check=True, capture_output=True, text=True).stdout
    return {line.split()[0] for line in out.splitlines() if line.strip()}


def registered_rows():
    """Words of the lists of kernels that end in an instruction set."""
    rows = set()
    for path in (ROOT / "src" / "kernels").rglob("*.def"):
        text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
        rows |= {word for word in re.findall(r"\b\w+\b", text) if ISA_NAME.search(word)}
    return rows


def check_objects(build):
    problems, rows = [], registered_rows()
    folder = build / "CMakeFiles/corten_objects.dir/src/kernels/x86"
    objects = sorted(o for o in folder.rglob("*.c.o")
                     if (ROOT / "src/kernels/x86" / o.name[:-2]).exists())
    for path in objects:
        if not ISA_NAME.search(path.name.removesuffix(".c.o")):
            problems.append(f"{path.name}: its name does not end in an instruction set")
            continue
        names = defined_names(path, "--extern-only")
        known = {name for name in names if name in rows or
                 name.startswith("ct_") and any(name.endswith(f"_{row}") for row in rows)}
        problems += [f"{path.name}: defines {name}, which no list of kernels holds"
                     for name in sorted(names - known)]
        if not known:
            problems.append(f"{path.name}: holds no kernel of a list")
    return problems, len(objects)


def check_exports(build):
    exported = {name.split("@")[0] for name in defined_names(build / "libcorten.so", "--dynamic")}
    header = "".join(p.read_text() for p in sorted((ROOT / "include/corten").glob("*.h")))
    header = re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)
    declared = set(re.findall(r"CORTEN_API[^;(]*?\b(corten_\w+)\s*\(", header))
    problems = [f"libcorten.so: exports {name}"
                for name in sorted(exported) if not name.startswith("corten_")]
    problems += [f"libcorten.so: does not export {name}, which a public header declares"
                 for name in sorted(declared - exported)]
    problems += [f"libcorten.so: exports {name}, which no public header declares"
                 for name in sorted(exported - declared) if name.startswith("corten_")]
    return problems, len(exported)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    build = pathlib.Path(sys.argv[1])
    problems, n_objects = check_objects(build)
    export_problems, n_exports = check_exports(build)
    problems += export_problems
    print("\n".join([*problems, f"symbols: {n_objects} ISA objects, {n_exports} exported names, "
                                f"{len(problems)} wrong"]))
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
