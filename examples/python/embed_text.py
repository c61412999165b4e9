#!/usr/bin/env python3
"""Embed sentences with a BERT and print how alike they are.

    python examples/python/embed_text.py ["a sentence" ...]

The model of tests/models is a tiny BERT with random weights and 97 word pieces, which are made here
of the sentences' words by a hash: sentences that share words come out alike. For a real model take
its tokenizer and `MODEL`; the rest stays.
"""
import pathlib
import sys
import zlib

import numpy as np

import corten as ort  # or: import onnxruntime as ort

MODEL = pathlib.Path(__file__).resolve().parents[2] / "tests/models/bert-base-classic.onnx"
SENTENCES = ["the cat sat on the mat", "the cat sat on a mat", "a dog sat on the mat",
             "shares fell after the bank raised rates", "rates rose and shares of the bank fell"]
WORDS, FIRST_WORD, LONGEST = 97, 3, 32


def tokenize(sentences):
    """Ids and mask, padded to the longest sentence."""
    rows = [[1] + [FIRST_WORD + zlib.crc32(word.encode()) % (WORDS - FIRST_WORD)
                   for word in sentence.lower().split()][:LONGEST - 2] + [2]
            for sentence in sentences]
    ids = np.zeros((len(rows), max(map(len, rows))), np.int64)
    mask = np.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, :len(row)], mask[i, :len(row)] = row, 1
    return ids, mask


def main():
    sentences = sys.argv[1:] or SENTENCES
    session = ort.InferenceSession(MODEL, providers=["CPUExecutionProvider"])
    ids, mask = tokenize(sentences)
    (states,) = session.run(["last_hidden_state"], {
        "input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)})
    weights = mask[..., None].astype(np.float32)  # the mean over the words that are there
    embeddings = (states * weights).sum(axis=1) / weights.sum(axis=1)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    alike = embeddings @ embeddings.T
    for i, sentence in enumerate(sentences):
        others = " ".join(f"{x:5.2f}" for x in alike[i])
        print(f"{i}  {others}  {sentence}")


if __name__ == "__main__":
    main()
