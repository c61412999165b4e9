#!/usr/bin/env bash
# What takes too long for every day: the suite and the models on every instruction set, with several
# numbers of threads, everything under sanitizers, and many random graphs.
#   scripts/test_long.sh BUILD
set -uo pipefail
build=${1:?usage: test_long.sh BUILD}
results=$build/results-long
rm -rf "$results"
mkdir -p "$results"

export ASAN_OPTIONS=allocator_may_return_null=1 TSAN_OPTIONS=allocator_may_return_null=1

conformance() { # NAME PROGRAM ARGUMENT...
    local out=$results/conformance-$1.txt program=$2
    shift 2
    "$program" test build/suite --exceptions tests/conformance/exceptions.txt \
        --draws tests/conformance/draws.txt "$@" >"$out" 2>&1
    echo "exit code $?" >>"$out"
}

for isa in ref sse41 avx2 avx512 avx512vnni avx512bf16 amx; do
    export CORTEN_CPU_MASK=$isa
    CORTEN_TEST_LONG=1 ctest --test-dir "$build" -L '^(unit|model)$' -j "$(nproc)" \
        --output-on-failure --output-junit "$PWD/$results/ctest-$isa.xml" >"$results/$isa.log" 2>&1
    conformance "$isa" "$build/corten"
    unset CORTEN_CPU_MASK
done
for threads in 1 3 4; do
    conformance "threads-$threads" "$build/corten" --threads "$threads"
done
# The Python package: the suite through that of the build, a minute of sixteen threads, the tests on
# one that pip installs.
PYTHONPATH=$build/python build/venv/bin/python scripts/suite_python.py build/suite \
    --exceptions tests/conformance/exceptions.txt --draws tests/conformance/draws.txt \
    >"$results/conformance-python.txt" 2>&1
echo "exit code $?" >>"$results/conformance-python.txt"
if CORTEN_TEST_SECONDS=60 CORTEN_BUILD=$build build/venv/bin/python tests/python/test_lifetime.py \
    TestThreads >"$results/python-threads.log" 2>&1; then verdict=pass; else verdict=fail; fi
printf '%s\t%s\n' "$verdict" "Sixteen Python threads: $results/python-threads.log" >"$results/checks.tsv"
if scripts/test_wheel.sh "$build/wheel" >"$results/wheel.log" 2>&1; then verdict=pass; else verdict=fail; fi
printf '%s\t%s\n' "$verdict" "Python package as pip installs it: $results/wheel.log" >>"$results/checks.tsv"
for san in address,undefined thread; do
    folder=build-${san//,/-}
    make SAN="$san" build-tests >"$results/$folder.log" 2>&1
    CORTEN_TEST_SECONDS=60 ctest --test-dir "$folder" -L '^(unit|model)$' --output-on-failure \
        --output-junit "$PWD/$results/ctest-$folder.xml" >>"$results/$folder.log" 2>&1
    conformance "$folder" "$folder/corten"
done
# With the verifier after every pass: random graphs at both ends of the levels, and those that provoke
# passes at every one.
differential() { # NAME ARGUMENT...
    local out=$results/differential-$1.txt
    shift
    CORTEN_VERIFY_PASSES=1 CORTEN_BUILD=$build build/venv/bin/python \
        tests/differential/differential.py --coverage "$@" >"$out" 2>&1
    echo "exit code $?" >>"$out"
    grep '^failed' "$out" | head -n 20
}
differential random --seed 1 --count 100000
differential passes --seed 2 --count 20000 --ops 'pattern:*' \
    --levels disable,basic,extended,layout,all
CORTEN_TEST_LONG=1 ctest --test-dir "$build" -R '^api/alloc_failures$' --output-on-failure \
    --output-junit "$PWD/$results/ctest-alloc.xml" >"$results/alloc.log" 2>&1
python3 scripts/sum_results.py "$results"
