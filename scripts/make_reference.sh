#!/usr/bin/env bash
# Writes the reference of the C API to BUILD/docs/html; what the header leaves undocumented is an error.
#   scripts/make_reference.sh BUILD
set -euo pipefail
build=${1:?usage: make_reference.sh BUILD}
mkdir -p "$build/docs"
{
    cat docs/Doxyfile
    echo "OUTPUT_DIRECTORY = $build/docs"
    echo "PROJECT_NUMBER = $(sed -n 's/^#define CORTEN_VERSION_[A-Z]* \([0-9]*\).*/\1/p' \
        include/corten/corten.h | paste -sd .)"
} | doxygen -
test -f "$build/docs/html/corten_8h.html"
