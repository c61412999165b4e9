#!/usr/bin/env python3
"""Tell which digits images show, with the model of models/digits.

    python examples/python/classify.py models/digits/images/*.png

Any model with one image as input works alike; only the preparation of the image differs.
"""
import pathlib
import struct
import sys
import zlib

import numpy as np

import corten as ort  # or: import onnxruntime as ort

MODEL = pathlib.Path(__file__).resolve().parents[2] / "models/digits/digits.onnx"


def read_grey_png(path):
    """The pixels of an 8-bit greyscale PNG. Programs that have Pillow use
    np.asarray(Image.open(path).convert("L"))."""
    data, chunks, position = pathlib.Path(path).read_bytes(), {}, 8
    while position < len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        chunks[kind] = chunks.get(kind, b"") + data[position + 8:position + 8 + size]
        position += 12 + size
    width, height, depth, colour = struct.unpack_from(">IIBB", chunks[b"IHDR"])
    if (depth, colour) != (8, 0):
        sys.exit(f"{path}: not an 8-bit greyscale PNG")
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, width + 1)
    pixels, above = np.zeros((height, width), np.uint8), np.zeros(width + 1, np.int32)
    for y, (kind, *row) in enumerate(rows.tolist()):
        line = np.zeros(width + 1, np.int32)  # line[0] is left of the image
        for x, value in enumerate(row, 1):
            left, up, corner = line[x - 1], above[x], above[x - 1]
            guess = left + up - corner
            paeth = min((abs(guess - left), 0, left), (abs(guess - up), 1, up),
                        (abs(guess - corner), 2, corner))[2]
            line[x] = (value + (0, left, up, (left + up) // 2, paeth)[kind]) % 256
        pixels[y], above = line[1:], line
    return pixels


def main():
    paths = sys.argv[1:] or sys.exit(__doc__)
    session = ort.InferenceSession(MODEL, providers=["CPUExecutionProvider"])
    images = np.stack([read_grey_png(path) for path in paths]).astype(np.float32) / 255
    (logits,) = session.run(["logits"], {"image": images[:, None]})
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    for path, share in zip(paths, shares):
        print(f"{path}: {share.argmax()} ({share.max():.1%})")


if __name__ == "__main__":
    main()
