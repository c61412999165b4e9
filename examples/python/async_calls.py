#!/usr/bin/env python3
"""Run a model from asyncio: the event loop goes on while the library works.

    python examples/python/async_calls.py
"""
import asyncio
import pathlib

import numpy as np

import corten as ort

DIGITS = pathlib.Path(__file__).resolve().parents[2] / "models/digits"


def run(session, feed):
    """A future for the outputs of a run."""
    loop = asyncio.get_running_loop()
    future = loop.create_future()

    def settle(outputs, error):
        if error:
            future.set_exception(RuntimeError(error))
        else:
            future.set_result(outputs)

    def callback(outputs, _user_data, error):  # called from another thread
        loop.call_soon_threadsafe(settle, outputs, error)

    session.run_async(None, feed, callback, None)
    return future


async def main():
    session = ort.InferenceSession(DIGITS / "digits.onnx")
    images = np.load(DIGITS / "test.npz")["in:image"]
    digits = np.load(DIGITS / "test-labels.npy")
    batches = [slice(first, first + 40) for first in range(0, len(images), 40)]
    results = await asyncio.gather(*(run(session, {"image": images[b]}) for b in batches))
    right = sum(int((logits.argmax(axis=1) == digits[b]).sum())
                for b, (logits,) in zip(batches, results))
    print(f"{right} of {len(images)} images are right")


if __name__ == "__main__":
    asyncio.run(main())
