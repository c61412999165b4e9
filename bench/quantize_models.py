#!/usr/bin/env python3
"""Quantises benchmark models with ONNX Runtime's own tools, for bench/compare.py.

    python bench/quantize_models.py MODELS_DIR OUT_DIR [NAME ...]

MODELS_DIR holds NAME.onnx and NAME.npz as compare.py takes them. Writes into OUT_DIR
  bert-base-dynamic   DynamicQuantizeLinear and MatMulInteger, weights by column
  NAME-qdq            QuantizeLinear/DequantizeLinear: activations uint8, weights int8 by filter or
                      column, ranges from the inputs and a few random ones like them
  gpt2-step-q4, -q8   MatMulNBits: weights of 4 and 8 bits in blocks of 32 and 128
Expected outputs are those of ONNX Runtime on the quantised model, without its optimiser.
"""
import argparse
import pathlib
import subprocess
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
from onnxruntime.quantization import (CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic,
                                      quantize_static)
from onnxruntime.quantization.matmul_nbits_quantizer import (DefaultWeightOnlyQuantConfig,
                                                            MatMulNBitsQuantizer)
from onnxruntime.quantization.shape_inference import quant_pre_process

PRODUCTS = {"bert-base": ["MatMul", "Gemm"]}  # of the others, everything that can be quantised
DYNAMIC = ["bert-base"]
CALIBRATION_RUNS = 4
WEIGHT_ONLY = ["gpt2-step"]
WEIGHT_ONLY_BLOCKS = {4: 32, 8: 128}  # bits: elements of k that share a scale


class Calibration(CalibrationDataReader):
    """The inputs, and then random ones of the same type and range."""

    def __init__(self, inputs):
        rng = np.random.default_rng(0)
        self.runs = [inputs]
        for _ in range(CALIBRATION_RUNS - 1):
            self.runs.append({name: self.like(rng, x) for name, x in inputs.items()})

    @staticmethod
    def like(rng, x):
        if x.dtype.kind == "f":
            return rng.normal(x.mean(), x.std(), x.shape).astype(x.dtype)
        return rng.integers(x.min(), x.max() + 1, x.shape).astype(x.dtype)

    def get_next(self):
        return self.runs.pop(0) if self.runs else None


def save_inputs(model, inputs, path):
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    arrays = {f"in:{k}": v for k, v in inputs.items()}
    arrays |= {f"out:{n}": v for n, v in zip(names, session.run(names, inputs))}
    np.savez(path, **arrays)


def quantize(source, out, name):
    data = np.load(source / f"{name}.npz")
    inputs = {k[3:]: data[k] for k in data.files if k.startswith("in:")}
    with tempfile.TemporaryDirectory() as work:
        prepared = pathlib.Path(work) / "prepared.onnx"
        quant_pre_process(str(source / f"{name}.onnx"), str(prepared), skip_symbolic_shape=True)
        if name in DYNAMIC:
            made = out / f"{name}-dynamic.onnx"
            quantize_dynamic(str(prepared), str(made), per_channel=True, weight_type=QuantType.QInt8,
                             op_types_to_quantize=["MatMul", "Gemm"])
            save_inputs(made, inputs, made.with_suffix(".npz"))
        made = out / f"{name}-qdq.onnx"
        quantize_static(str(prepared), str(made), Calibration(inputs), quant_format=QuantFormat.QDQ,
                        op_types_to_quantize=PRODUCTS.get(name), per_channel=True,
                        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
        onnx.checker.check_model(str(made))
        save_inputs(made, inputs, made.with_suffix(".npz"))


def quantize_weights(source, out, name, build):
    """The products of a model that Corten has brought to one form: the exporter writes Gemm."""
    data = np.load(source / f"{name}.npz")
    inputs = {k[3:]: data[k] for k in data.files if k.startswith("in:")}
    with tempfile.TemporaryDirectory() as work:
        prepared = pathlib.Path(work) / "prepared.onnx"
        subprocess.run([build / "corten", "optimize", source / f"{name}.onnx", prepared, "--level",
                        "extended"], check=True, stdout=subprocess.DEVNULL)
        for bits, block in WEIGHT_ONLY_BLOCKS.items():
            made = out / f"{name}-q{bits}.onnx"
            config = DefaultWeightOnlyQuantConfig(block_size=block, is_symmetric=True, bits=bits)
            quantizer = MatMulNBitsQuantizer(onnx.load(prepared), algo_config=config)
            quantizer.process()
            onnx.save(quantizer.model.model, made)
            save_inputs(made, inputs, made.with_suffix(".npz"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("models", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("names", nargs="*",
                        default=["bert-base", "resnet50", "mobilenet-v2", *WEIGHT_ONLY])
    parser.add_argument("--build", default="build", type=pathlib.Path, help="where corten is")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.names:
        if name in WEIGHT_ONLY:
            quantize_weights(args.models, args.out, name, args.build)
        else:
            quantize(args.models, args.out, name)
        print(name)


if __name__ == "__main__":
    main()
