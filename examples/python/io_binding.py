#!/usr/bin/env python3
"""Run a model many times over the same memory: nothing is copied or allocated between the runs.

    python examples/python/io_binding.py
"""
import pathlib
import time

import numpy as np

import corten as ort

DIGITS = pathlib.Path(__file__).resolve().parents[2] / "models/digits"


def main():
    session = ort.InferenceSession(DIGITS / "digits.onnx")
    images = np.load(DIGITS / "test.npz")["in:image"]
    digits = np.load(DIGITS / "test-labels.npy")

    image = np.empty((1, 1, 8, 8), np.float32)  # the runs read this
    logits = ort.OrtValue.ortvalue_from_shape_and_type([1, 10], np.float32)  # and write that
    found = logits.numpy(copy=False)
    binding = session.io_binding()
    binding.bind_cpu_input("image", image)
    binding.bind_ortvalue_output("logits", logits)

    right, began = 0, time.perf_counter()
    for pixels, digit in zip(images, digits):
        image[0] = pixels
        session.run_with_iobinding(binding)
        right += int(found.argmax() == digit)
    microseconds = (time.perf_counter() - began) / len(images) * 1e6
    print(f"{right} of {len(images)} images are right, {microseconds:.0f} us an image")


if __name__ == "__main__":
    main()
