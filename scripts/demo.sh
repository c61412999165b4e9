#!/usr/bin/env bash
# Recognises the handwritten digits of models/digits/images with the C example.
#   scripts/demo.sh BUILD
set -euo pipefail
build=${1:?usage: demo.sh BUILD}
exec "$build/examples/digits" models/digits/digits.onnx models/digits/images/*.png
