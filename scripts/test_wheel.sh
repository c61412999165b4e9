#!/usr/bin/env bash
# Builds the Python package with pip, installs it into an environment of its own and runs its tests.
#   scripts/test_wheel.sh FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:?usage: test_wheel.sh FOLDER}
rm -rf "$folder"
mkdir -p "$folder"
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip wheel --no-deps --wheel-dir "$folder" .
"$folder/venv/bin/python" -m pip install --quiet -r scripts/requirements-test.txt "$folder"/*.whl
for test in tests/python/test_*.py; do
    echo "$test"
    CORTEN_INSTALLED=1 CORTEN_TEST_SECONDS=60 "$folder/venv/bin/python" "$test"
done
