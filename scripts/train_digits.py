#!/usr/bin/env python3
"""Train the demo model of models/digits and write everything in that folder.

    pip install torch scikit-learn onnx
    python scripts/train_digits.py

A small convolutional network on the 1,797 handwritten digits of 8x8 pixels that come with
scikit-learn. One fifth of them, stratified, is held out. Seeds are fixed, so that the same versions
on the same processor write the same files.
"""
import pathlib
import struct
import zlib

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "models" / "digits"
N_IMAGES = 20
EPOCHS = 60


class Digits(nn.Module):
    """Three convolutions and a linear layer; 8x8 pixels in, ten logits out."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 24, 3, padding=1, bias=False), nn.BatchNorm2d(24), nn.ReLU(),
            nn.Conv2d(24, 48, 3, padding=1, bias=False), nn.BatchNorm2d(48), nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(48, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2))
        self.classify = nn.Linear(64, 10)

    def forward(self, image):
        return self.classify(self.features(image))


def shifted(batch, generator):
    """The batch with every image moved by up to one pixel, as writers do."""
    padded = nn.functional.pad(batch, (1, 1, 1, 1))
    dy, dx = torch.randint(0, 3, (2, len(batch)), generator=generator)
    return torch.stack([p[:, y:y + 8, x:x + 8] for p, y, x in zip(padded, dy, dx)])


def train(images, labels):
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    model = Digits()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(images), generator=generator).split(64):
            loss = nn.functional.cross_entropy(
                model(shifted(images[batch], generator)), labels[batch], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    return model.eval()


def write_png(path, pixels):
    """`pixels`: uint8 [height, width], written as 8-bit greyscale."""
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    height, width = pixels.shape
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    path.write_bytes(b"\x89PNG\r\n\x1a\n"
                     + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
                     + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def main():
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    data = load_digits()
    images = torch.tensor(data.images[:, None] / 16.0, dtype=torch.float32)
    labels = torch.tensor(data.target)
    train_x, test_x, train_y, test_y = train_test_split(
        images, labels, test_size=0.2, random_state=0, stratify=labels)
    model = train(train_x, train_y)
    with torch.no_grad():
        logits = model(test_x)
    correct = int((logits.argmax(1) == test_y).sum())
    accuracy = f"{100 * correct / len(test_y):.1f} % ({correct} of {len(test_y)})"

    (FOLDER / "images").mkdir(parents=True, exist_ok=True)
    torch.onnx.export(model, (test_x[:1],), str(FOLDER / "digits.onnx"), opset_version=17,
                      dynamo=False, input_names=["image"], output_names=["logits"],
                      dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}})
    np.savez_compressed(FOLDER / "test.npz", **{
        "in:image": test_x.numpy(), "out:logits": logits.numpy()})
    np.save(FOLDER / "test-labels.npy", test_y.numpy().astype(np.uint8))
    (FOLDER / "labels.txt").write_text("".join(f"{digit}\n" for digit in range(10)))
    # Two of every digit, in the order of the digits.
    for digit in range(10):
        for nth, i in enumerate(torch.nonzero(test_y == digit)[:N_IMAGES // 10, 0].tolist()):
            pixels = (test_x[i, 0] * 255).round().to(torch.uint8).numpy()
            write_png(FOLDER / "images" / f"{digit}-{nth}.png", pixels)
    size_kb = (FOLDER / "digits.onnx").stat().st_size / 1000
    print(f"held-out accuracy {accuracy}, model {size_kb:.0f} kB")


if __name__ == "__main__":
    main()
