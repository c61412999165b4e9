#!/usr/bin/env bash
# Everything that is checked without running the library; each check is one row of
# BUILD/results-check/checks.tsv.
#   scripts/check_all.sh BUILD
set -uo pipefail
build=${1:?usage: check_all.sh BUILD}
results=$build/results-check
mkdir -p "$results"
: >"$results/checks.tsv"

check() { # NAME COMMAND...
    local name=$1 verdict=pass
    shift
    "$@" || verdict=fail
    printf '%s\t%s\n' "$verdict" "$name" >>"$results/checks.tsv"
}

formatted() { # prints a line for each file that clang-format would change
    local found
    found=$(find include src cli image tests examples bench scripts -name '*.[ch]' -print0 2>/dev/null |
        xargs -0 clang-format --dry-run --Werror 2>&1 | grep -E 'error: ' | cut -d: -f1 | sort |
        uniq -c | sed 's/^ *\([0-9]*\) \(.*\)/\2: \1 places differ from clang-format/')
    [ -z "$found" ] || { echo "$found"; false; }
}

check layers python3 scripts/check_layers.py
check symbols python3 scripts/check_isa_symbols.py "$build"
check text python3 scripts/check_text.py
check format formatted
check reference scripts/make_reference.sh "$build"
python3 scripts/sum_results.py "$results"
