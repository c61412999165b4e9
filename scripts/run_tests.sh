#!/usr/bin/env bash
# Runs the tests of a build and the ONNX suite; results go to BUILD/results, the last line is the sum.
#   scripts/run_tests.sh BUILD [--unit]      --unit: C code and the models of tests/models only
set -uo pipefail
build=${1:?usage: run_tests.sh BUILD [--unit]}
only=${2:-}
results=$build/results
mkdir -p "$results"
rm -f "$results"/ctest.xml "$results"/conformance.txt

selection=()
if [ "$only" = --unit ]; then
    selection=(-L '^(unit|model)$')
fi
ctest --test-dir "$build" --output-on-failure --output-junit "$PWD/$results/ctest.xml" \
    -j "$(nproc)" --no-tests=error "${selection[@]}" >"$results/ctest.txt" 2>&1 ||
    sed -n '/\*\*\*\(Failed\|Timeout\|Exception\|Not Run\)/p; /^\[  FAILED/p; /^\[   LINE/p; / error: /p; /ERROR: /p; /runtime error:/p; $s|^|All of it: '"$results"'/ctest.txt: |p' "$results/ctest.txt"

if [ "$only" != --unit ]; then
    echo "The ONNX backend suite:"
    "$build/corten" test build/suite --exceptions tests/conformance/exceptions.txt \
        --draws tests/conformance/draws.txt \
        >"$results/conformance.txt" 2>&1
    status=$?
    echo "exit code $status" >>"$results/conformance.txt"
    grep -iE '^ *fail' "$results/conformance.txt" | head -n 40
fi
python3 scripts/sum_results.py "$results"
