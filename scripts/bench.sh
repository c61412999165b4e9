#!/usr/bin/env bash
# Times every kernel that this machine can run, then the models of tests/models and models/digits.
# For models of full size: BUILD/corten bench MODEL.onnx --inputs MODEL.npz
#   scripts/bench.sh BUILD
set -euo pipefail
build=${1:?usage: bench.sh BUILD}

"$build/corten-kernels" --bench
for model in tests/models/*.onnx models/digits/digits.onnx; do
    data=${model%-*.onnx}.npz
    if [ "$model" = models/digits/digits.onnx ]; then
        data=models/digits/test.npz
    fi
    echo
    echo "== $model"
    "$build/corten" bench "$model" --inputs "$data" --time 1
done
