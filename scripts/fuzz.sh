#!/usr/bin/env bash
# Builds the fuzz targets with Clang and runs each, starting from tests/fuzz/corpus/TARGET if there is
# such a folder. What was found is left in build-fuzz/found.
#   scripts/fuzz.sh SECONDS      0: only what the corpora in the repository hold, each once
set -euo pipefail
seconds=${1:?usage: fuzz.sh SECONDS}
scripts/setup.sh --lint --test
generator=()
if [ ! -f build-fuzz/CMakeCache.txt ]; then
    generator=(-G Ninja)
fi
cmake -S . -B build-fuzz "${generator[@]}" -DCMAKE_C_COMPILER=clang -DCORTEN_FUZZ=ON -DCORTEN_TESTS=OFF \
    -DCORTEN_CLI=OFF >/dev/null
cmake --build build-fuzz -j "$(nproc)"
mkdir -p build-fuzz/found
failed=0
for source in tests/fuzz/*.c; do
    name=$(basename "$source" .c)
    corpus=build-fuzz/corpus/$name
    mkdir -p "$corpus"
    folders=()
    limit=(-runs=0)
    if [ "$seconds" != 0 ]; then
        folders=("$corpus")
        limit=(-max_total_time="$seconds")
    fi
    if [ -d "tests/fuzz/corpus/$name" ]; then
        folders+=("tests/fuzz/corpus/$name")
    fi
    echo "$name: $seconds s"
    "build-fuzz/$name" "${limit[@]}" -timeout=10 -rss_limit_mb=2048 -verbosity=0 \
        -print_final_stats=1 -artifact_prefix=build-fuzz/found/ "${folders[@]}" || failed=1
done
exit $failed
