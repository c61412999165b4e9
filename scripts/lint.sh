#!/usr/bin/env bash
# clang-tidy over the library, the command line and the image module; .clang-tidy says what it looks for.
#   scripts/lint.sh BUILD [FILE...]      no FILE: all of src, cli and image
set -euo pipefail
build=${1:?usage: lint.sh BUILD [FILE...]}
shift
if [ $# -eq 0 ]; then
    mapfile -t files < <(find src cli image -name '*.c' | sort)
else
    files=("$@")
fi

tidy() { # BUILD FILE
    local knows_failure=(--extra-arg-before="-include$PWD/scripts/lint.h")
    case $2 in
    src/base/status.c | cli/text.c | image/image.c) knows_failure=() ;;
    image/*) knows_failure=(--extra-arg-before="-include$PWD/scripts/lint_image.h") ;;
    esac
    # Flags that only GCC knows are no finding.
    clang-tidy -p "$1" --quiet --warnings-as-errors='*' "${knows_failure[@]}" \
        --extra-arg=-Wno-unknown-warning-option --extra-arg=-Wno-ignored-optimization-argument \
        "$2" 2> >(grep -vE '^[0-9]+ warnings? (generated|treated)|^Suppressed|^Use -header' >&2)
}
export -f tidy

# One file a process: clang-tidy 14 loses track of va_list after the first.
printf '%s\n' "${files[@]}" | xargs -P "$(nproc)" -I FILE bash -c 'tidy "$@"' - "$build" FILE
