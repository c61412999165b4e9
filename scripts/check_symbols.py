"""Compares the symbols that a library exports with scripts/exported_symbols.txt.

    check_symbols.py LIBRARY           fails where they differ
    check_symbols.py LIBRARY --write   writes the list anew
"""

import os
import subprocess
import sys

LIST = os.path.join(os.path.dirname(os.path.abspath(__file__)), "exported_symbols.txt")


def exported(library):
    lines = subprocess.run(["nm", "-D", "--defined-only", library], check=True,
                           capture_output=True, text=True).stdout.splitlines()
    return sorted(line.split()[-1] for line in lines if line.split()[-2] not in ("A",))


def main():
    found = exported(sys.argv[1])
    if "--write" in sys.argv[2:]:
        with open(LIST, "w") as stream:
            stream.write("".join(name + "\n" for name in found))
        return 0
    with open(LIST) as stream:
        listed = stream.read().split()
    for name in sorted(set(found) - set(listed)):
        print(f"exported but not listed: {name}")
    for name in sorted(set(listed) - set(found)):
        print(f"listed but not exported: {name}")
    return int(found != listed)


if __name__ == "__main__":
    sys.exit(main())
