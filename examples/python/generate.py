#!/usr/bin/env python3
"""Generate token by token with a KV cache that never leaves the library's memory.

    python examples/python/generate.py [TEXT] [--tokens N] [--temperature T]

Each step runs one token; the keys and values that it returns are bound as the next step's past
without a copy. The model of tests/models is a tiny GPT-2 with random weights, whose 97 tokens are
read here as characters, so that the text is noise. With a real model only the tokenizer changes.
"""
import argparse
import pathlib
import time

import numpy as np

import corten as ort

MODEL = pathlib.Path(__file__).resolve().parents[2] / "tests/models/gpt2-step-classic.onnx"
FIRST, POSITIONS = 32, 64  # token 0 is a blank; the model knows 64 positions


class Generator:
    def __init__(self, path):
        self.session = ort.InferenceSession(path)
        names = [info.name for info in self.session.get_inputs()]
        self.past = [name for name in names if name.startswith("past_")]
        self.present = [name.replace("past_", "present_") for name in self.past]
        self.shapes = [info.shape for info in self.session.get_inputs() if info.name in self.past]
        self.binding = self.session.io_binding()
        self.token = np.zeros((1, 1), np.int64)  # the runs read this
        self.binding.bind_cpu_input("input_ids", self.token)
        self.binding.bind_output("logits")
        self.reset()

    def reset(self):
        """Forgets everything: a past of length 0."""
        for name, (_batch, heads, _past, width) in zip(self.past, self.shapes):
            empty = ort.OrtValue.ortvalue_from_shape_and_type([1, heads, 0, width], np.float32)
            self.binding.bind_ortvalue_input(name, empty)

    def step(self, token):
        """Takes one token in and returns the logits of the next."""
        self.token[...] = token
        for name in self.present:
            self.binding.bind_output(name)
        self.session.run_with_iobinding(self.binding)
        logits, *present = self.binding.get_outputs()
        for name, value in zip(self.past, present):  # this step's present is the next one's past
            self.binding.bind_ortvalue_input(name, value)
        return logits.numpy()[0, -1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", nargs="?", default="Once upon a time")
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--temperature", type=float, default=4.0)
    arguments = parser.parse_args()
    generator, random = Generator(MODEL), np.random.default_rng(0)
    ids = [(ord(c) - FIRST) % 95 for c in arguments.text][:POSITIONS - 1]
    began = time.perf_counter()
    for token in ids:
        logits = generator.step(token)
    made = min(arguments.tokens, POSITIONS - len(ids))
    for _ in range(made):
        shares = np.exp((logits[:95] - logits[:95].max()) / arguments.temperature)
        ids.append(int(random.choice(95, p=shares / shares.sum())))
        logits = generator.step(ids[-1]) if len(ids) < POSITIONS else logits
    seconds = time.perf_counter() - began
    print("".join(chr(FIRST + token) for token in ids))
    print(f"{made} tokens, {len(ids) / seconds:.0f} steps a second")


if __name__ == "__main__":
    main()
