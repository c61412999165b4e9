#!/usr/bin/env bash
# Installs to a folder of its own, moves it, builds the C example over it with pkg-config (shared and
# static) and with find_package(corten), and runs each: what a user of a package would do.
set -euo pipefail

build=${CORTEN_BUILD:?is set by ctest}
if grep -q '^SAN:STRING=.' "$build/CMakeCache.txt"; then
    echo "a library with sanitizers is not installed"
    exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$build" --prefix "$work/made" >"$work/install.log"
mv "$work/made" "$work/prefix"
prefix=$work/prefix

pc=$(find "$prefix" -name corten.pc)
export PKG_CONFIG_PATH=${pc%/*}
libdir=${PKG_CONFIG_PATH%/*}
images=(models/digits/images/*.png)

run() {
    echo "== $1"
    "$1" models/digits/digits.onnx "${images[@]}" >"$work/out.txt" || {
        cat "$work/out.txt"
        exit 1
    }
    tail -n 1 "$work/out.txt"
    grep -q "^${#images[@]} of ${#images[@]} right" "$work/out.txt"
}

read -ra flags <<<"$(pkg-config --cflags --libs corten stb)"
cc -std=c17 examples/digits/digits.c "${flags[@]}" -lm -o "$work/with-pkg-config"
export LD_LIBRARY_PATH=$libdir
run "$work/with-pkg-config"
unset LD_LIBRARY_PATH

read -ra flags <<<"$(pkg-config --static --cflags --libs corten stb)"
flags=("${flags[@]/#-lcorten/$libdir/libcorten.a}")
cc -std=c17 examples/digits/digits.c "${flags[@]}" -o "$work/with-static"
run "$work/with-static"

cmake -S examples -B "$work/cmake" -DCMAKE_PREFIX_PATH="$prefix" >"$work/cmake.log"
cmake --build "$work/cmake" >>"$work/cmake.log"
run "$work/cmake/digits"
# 64 characters, the first of which are those given.
"$work/cmake/generate" tests/models/gpt2-step-classic.onnx "To be" >"$work/text.txt"
grep -Eq '^To be.{59}$' "$work/text.txt"

for file in man/man1/corten.1 bash-completion/completions/corten zsh/site-functions/_corten \
    fish/vendor_completions.d/corten.fish; do
    test -s "$prefix/share/$file"
done
"$prefix/bin/corten" --version
