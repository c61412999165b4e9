#!/usr/bin/env python3
"""Writes tests/fuzz/attributes.def: the attributes that each operator has had in any version, from the
schemas of the onnx package. Operators of other domains are listed here."""
import pathlib

import onnx

LETTERS = {"INT": "i", "FLOAT": "f", "STRING": "s", "INTS": "I", "FLOATS": "F", "STRINGS": "S",
           "TENSOR": "T"}
ATTENTION = "num_heads:i scale:f unidirectional:i mask_filter_value:f do_rotary:i"
MORE = {
    "MultiHeadAttention": ATTENTION, "GroupQueryAttention":
    ATTENTION + " kv_num_heads:i rotary_interleaved:i softcap:f local_window_size:i smooth_softmax:i",
    "PackedMultiHeadAttention": ATTENTION, "DecoderMaskedMultiHeadAttention": ATTENTION,
    "QAttention": ATTENTION + " past_present_share_buffer:i",
    "EmbedLayerNormalization": "epsilon:f mask_index_type:i",
    "SkipLayerNormalization": "epsilon:f", "SkipSimplifiedLayerNormalization": "epsilon:f",
    "FusedConv": "activation:s activation_params:F auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I",
    "FusedMatMul": "alpha:f transA:i transB:i transBatchA:i transBatchB:i activation:s",
    "FusedGemm": "alpha:f beta:f transA:i transB:i activation:s activation_alpha:f",
    "MatMulNBits": "K:i N:i accuracy_level:i bits:i block_size:i",
    "GatherBlockQuantized": "bits:i block_size:i gather_axis:i quantize_axis:i",
    "BiasSoftmax": "axis:i is_inner_broadcast:i", "QLinearConcat": "axis:i",
    "QLinearSoftmax": "axis:i opset:i", "QuickGelu": "alpha:f",
    "GroupNorm": "activation:i channels_last:i epsilon:f groups:i",
    "NGramRepeatBlock": "ngram_size:i", "CDist": "metric:s",
    "MoE": "activation_type:s k:i normalize_routing_weights:i use_sparse_mixer:i",
    "QMoE": "activation_type:s expert_weight_bits:i k:i normalize_routing_weights:i block_size:i",
    "SparseAttention": "do_rotary:i kv_num_heads:i num_heads:i rotary_interleaved:i scale:f sparse_block_size:i",
}


def attributes():
    found = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        row = found.setdefault(schema.name, {})
        for attr in schema.attributes.values():
            letter = LETTERS.get(attr.type.name)
            if letter:
                row[f"{attr.name}:{letter}"] = None
    for name, text in MORE.items():
        found.setdefault(name, {}).update(dict.fromkeys(text.split()))
    return {name: sorted(row) for name, row in sorted(found.items()) if row}


def main():
    lines = ["/* The attributes of each operator, any version: FUZZ_OP(name, \"attribute:type ...\"), types as in",
             " * fuzz_node.h. Written by tests/fuzz/make_attributes.py. */"]
    for name, row in attributes().items():
        lines.append(f'FUZZ_OP("{name}",')
        line = ""
        for word in row:
            if len(line) + len(word) > 85:
                lines.append(f'        "{line}"')
                line = ""
            line += word + " "
        lines.append(f'        "{line}")')
    path = pathlib.Path(__file__).with_name("attributes.def")
    path.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
