#!/usr/bin/env python3
"""Writes the tables of src/ops/text/unicode_tables.c.

usage: make_unicode_tables.py Scripts.txt > src/ops/text/unicode_tables.c

Categories and simple case mappings come from Python's unicodedata, scripts from the file Scripts.txt
of the Unicode Character Database of the same version
(https://www.unicode.org/Public/VERSION/ucd/Scripts.txt).
"""
import re
import sys
import unicodedata

LAST = 0x10FFFF
CATEGORIES = ("Cc Cf Cn Co Cs Ll Lm Lo Lt Lu Mc Me Mn Nd Nl No Pc Pd Pe Pf Pi Po Ps Sc Sk Sm So "
              "Zl Zp Zs").split()


def simple(char, full):
    """The one-character mapping: the first of a longer lower case, the title case instead of a
    longer upper case, and the character itself where there is none."""
    if len(full) == 1:
        return ord(full)
    if full == char.lower():
        return ord(full[0])
    title = char.title()
    return ord(title) if len(title) == 1 else ord(char)


def mappings(convert):
    """Runs (first, last, step, delta) of characters whose mapping differs by one delta."""
    runs = []
    for code in range(LAST + 1):
        char = chr(code)
        to = simple(char, convert(char))
        if to == code:
            continue
        delta = to - code
        if runs:
            first, last, step, run_delta = runs[-1]
            gap = code - last
            if run_delta == delta and gap in (1, 2) and (step in (0, gap)):
                runs[-1] = (first, code, gap, delta)
                continue
        runs.append((code, code, 0, delta))
    return [(first, last, step or 1, delta) for first, last, step, delta in runs]


def breakpoints(value_of):
    """(first code point, value) wherever the value changes."""
    points, before = [], None
    for code in range(LAST + 1):
        value = value_of(code)
        if value != before:
            points.append((code, value))
            before = value
    return points


def read_scripts(path):
    of, names = {}, ["Unknown"]
    for line in open(path, encoding="utf-8"):
        match = re.match(r"([0-9A-F]+)(?:\.\.([0-9A-F]+))?\s*;\s*(\w+)", line)
        if not match:
            continue
        first, last, name = match.groups()
        if name not in names:
            names.append(name)
        for code in range(int(first, 16), int(last or first, 16) + 1):
            of[code] = names.index(name)
    return names, of


def rows(items, per_line):
    lines = []
    for at in range(0, len(items), per_line):
        lines.append("    " + " ".join(item + "," for item in items[at:at + per_line]))
    return "\n".join(lines)


def case_table(name, runs):
    items = [f"{{0x{a:x}, 0x{b:x}, {s}, {d}}}" for a, b, s, d in runs]
    return (f"const struct ct_case_run {name}[] = {{\n{rows(items, 3)}\n}};\n"
            f"const size_t {name}_count = sizeof {name} / sizeof {name}[0];\n")


def point_table(name, points):
    items = [f"0x{code << 8 | value:08x}" for code, value in points]
    return (f"const uint32_t {name}[] = {{\n{rows(items, 8)}\n}};\n"
            f"const size_t {name}_count = sizeof {name} / sizeof {name}[0];\n")


def main():
    names, of = read_scripts(sys.argv[1])
    print(f"/* Tables of Unicode {unicodedata.unidata_version}, made by "
          "scripts/make_unicode_tables.py. */")
    print('#include "ops/text/unicode_tables.h"\n')
    print(case_table("ct_unicode_upper", mappings(str.upper)))
    print(case_table("ct_unicode_lower", mappings(str.lower)))
    print("const char ct_unicode_category_names[CT_UNICODE_CATEGORIES][3] = {")
    print(rows([f'"{c}"' for c in CATEGORIES], 10) + "\n};\n")
    print(point_table("ct_unicode_categories", breakpoints(
        lambda code: CATEGORIES.index(unicodedata.category(chr(code))))))
    print("const char *const ct_unicode_script_names[] = {")
    print(rows([f'"{n}"' for n in names], 5) + "\n};")
    print("const size_t ct_unicode_script_count =\n"
          "    sizeof ct_unicode_script_names / sizeof ct_unicode_script_names[0];\n")
    print(point_table("ct_unicode_scripts", breakpoints(lambda code: of.get(code, 0))), end="")


if __name__ == "__main__":
    main()
