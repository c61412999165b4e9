#!/usr/bin/env python3
"""Write tests/models: the architectures of the benchmark models, scaled down to some 100 kB.

    pip install torch==2.13.0 transformers onnx onnxscript
    python scripts/export_tiny_models.py [NAME ...]        # no name: all of them

Every NAME gives NAME-classic.onnx (PyTorch's TorchScript exporter, opset 17, dynamic axes),
NAME-dynamo.onnx (its newer exporter, default opset, fixed shapes), and NAME.npz for both, which
holds one set of inputs ("in:<name>") and PyTorch's outputs ("out:<name>"). Weights are random with
a fixed seed: what is tested is that the graph is run right.
"""
import dataclasses
import logging
import pathlib
import sys
import warnings

import numpy as np
import onnx
import torch
import transformers as hf
from torch import nn

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "tests" / "models"
VOCAB, HIDDEN, LAYERS, HEADS, FFN, SEQ = 97, 32, 2, 4, 64, 24
CLASSES = 20


@dataclasses.dataclass
class Spec:
    """A model, one set of inputs, the names of inputs and outputs, the axes that vary, and how the
    newer exporter writes operators that PyTorch has not."""
    module: nn.Module
    inputs: dict
    outputs: list
    axes: dict
    translations: dict = None


class Pick(nn.Module):
    """Calls a Hugging Face model by keyword and returns the named fields as a tuple."""

    def __init__(self, inner, keywords, fields):
        super().__init__()
        self.inner, self.keywords, self.fields = inner, keywords, fields

    def forward(self, *args):
        result = self.inner(**dict(zip(self.keywords, args)))
        return tuple(result[field] for field in self.fields)


def tokens(*shape):
    return torch.randint(1, VOCAB, shape)


def picked(inner, inputs, fields, axes):
    return Spec(Pick(inner, list(inputs), fields), inputs, fields, {n: axes for n in inputs})


def image_model(inner, size):
    return picked(inner, {"pixel_values": torch.randn(1, 3, size, size)}, ["logits"], {0: "batch"})


def bert_base():
    config = hf.BertConfig(vocab_size=VOCAB, hidden_size=HIDDEN, num_hidden_layers=LAYERS,
                           num_attention_heads=HEADS, intermediate_size=FFN,
                           max_position_embeddings=64, attn_implementation="eager")
    mask = torch.ones(1, SEQ, dtype=torch.int64)
    mask[:, -5:] = 0
    inputs = {"input_ids": tokens(1, SEQ), "attention_mask": mask,
              "token_type_ids": torch.zeros(1, SEQ, dtype=torch.int64)}
    return picked(hf.BertModel(config), inputs, ["last_hidden_state", "pooler_output"],
                  {0: "batch", 1: "seq"})


def gpt2_model(use_cache):
    return hf.GPT2LMHeadModel(hf.GPT2Config(
        vocab_size=VOCAB, n_positions=64, n_embd=HIDDEN, n_layer=LAYERS, n_head=HEADS,
        attn_implementation="eager", use_cache=use_cache))


def gpt2():
    inputs = {"input_ids": tokens(1, SEQ), "attention_mask": torch.ones(1, SEQ, dtype=torch.int64)}
    return picked(gpt2_model(False), inputs, ["logits"], {0: "batch", 1: "seq"})


class DecodingStep(nn.Module):
    """One token of GPT-2; the key/value cache comes in and goes out as plain tensors."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, input_ids, *past):
        cache = hf.DynamicCache()
        for layer, (key, value) in enumerate(zip(past[::2], past[1::2])):
            cache.update(key, value, layer)
        result = self.inner(input_ids=input_ids, past_key_values=cache, use_cache=True)
        present = [t for layer in result.past_key_values.layers for t in (layer.keys, layer.values)]
        return (result.logits, *present)


def gpt2_step():
    slots = [f"{i}_{part}" for i in range(LAYERS) for part in ("key", "value")]
    past = {f"past_{s}": torch.randn(1, HEADS, SEQ - 1, HIDDEN // HEADS) for s in slots}
    axes = {"input_ids": {0: "batch"}, **{name: {0: "batch", 2: "past"} for name in past}}
    return Spec(DecodingStep(gpt2_model(True)), {"input_ids": tokens(1, 1), **past},
                ["logits", *(f"present_{s}" for s in slots)], axes)


def vit_base():
    return image_model(hf.ViTForImageClassification(hf.ViTConfig(
        hidden_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
        intermediate_size=FFN, image_size=32, patch_size=8, num_labels=CLASSES,
        attn_implementation="eager")), 32)


def whisper_small_encoder():
    config = hf.WhisperConfig(
        vocab_size=VOCAB, d_model=HIDDEN, encoder_layers=LAYERS, decoder_layers=1,
        encoder_attention_heads=HEADS, decoder_attention_heads=HEADS, encoder_ffn_dim=FFN,
        decoder_ffn_dim=FFN, num_mel_bins=16, max_source_positions=32, pad_token_id=0,
        bos_token_id=1, eos_token_id=2, decoder_start_token_id=1, attn_implementation="eager")
    return picked(hf.WhisperModel(config).get_encoder(),
                  {"input_features": torch.randn(1, 16, 64)}, ["last_hidden_state"], {0: "batch"})


def resnet50():
    return image_model(hf.ResNetForImageClassification(hf.ResNetConfig(
        embedding_size=16, hidden_sizes=[16, 32, 48, 64], depths=[2, 2, 2, 1],
        num_labels=CLASSES)), 64)


def mobilenet_v2():
    return image_model(hf.MobileNetV2ForImageClassification(hf.MobileNetV2Config(
        depth_multiplier=0.1, depth_divisible_by=4, min_depth=4, finegrained_output=False,
        tf_padding=False, num_labels=CLASSES)), 64)


def efficientnet(width, depth, size, hidden):
    model = hf.EfficientNetForImageClassification(hf.EfficientNetConfig(
        image_size=size, width_coefficient=width, depth_coefficient=depth, hidden_dim=hidden,
        in_channels=[32, 4, 4, 4, 8, 8, 8], out_channels=[4, 4, 4, 8, 8, 8, 8],
        depth_divisor=4, num_block_repeats=[1, 1, 1, 2, 1, 1, 1], num_labels=CLASSES))
    top = model.efficientnet.encoder
    top.top_conv = nn.Conv2d(top.top_conv.in_channels, hidden, 1, bias=False)
    model.efficientnet.pooler = nn.AdaptiveAvgPool2d(1)  # global, as published
    return image_model(model, size)


def conv_bn_silu(inp, out, kernel=1, stride=1, padding=None):
    padding = kernel // 2 if padding is None else padding
    return nn.Sequential(nn.Conv2d(inp, out, kernel, stride, padding, bias=False),
                         nn.BatchNorm2d(out), nn.SiLU())


class CrossStage(nn.Module):
    """YOLOv5's C3: half the channels through bottlenecks, half past them."""

    def __init__(self, inp, out, depth, shortcut):
        super().__init__()
        half = out // 2
        self.enter, self.past, self.leave = (
            conv_bn_silu(inp, half), conv_bn_silu(inp, half), conv_bn_silu(2 * half, out))
        self.bottlenecks = nn.ModuleList(
            nn.Sequential(conv_bn_silu(half, half), conv_bn_silu(half, half, 3))
            for _ in range(depth))
        self.shortcut = shortcut

    def forward(self, x):
        y = self.enter(x)
        for bottleneck in self.bottlenecks:
            y = y + bottleneck(y) if self.shortcut else bottleneck(y)
        return self.leave(torch.cat((y, self.past(x)), 1))


class Yolo(nn.Module):
    """YOLOv5 v6 with its decoding head, `c` channels wide after the stem (32 in yolov5s)."""
    ANCHORS = [[10, 13, 16, 30, 33, 23], [30, 61, 62, 45, 59, 119], [116, 90, 156, 198, 373, 326]]
    STRIDES = [8, 16, 32]

    def __init__(self, c=2, classes=3):
        super().__init__()
        self.fields = classes + 5
        self.stem = conv_bn_silu(3, c, 6, 2, 2)
        stages = [(c, 2 * c, 1), (2 * c, 4 * c, 2), (4 * c, 8 * c, 3), (8 * c, 16 * c, 1)]
        self.stages = nn.ModuleList(
            nn.Sequential(conv_bn_silu(i, o, 3, 2), CrossStage(o, o, n, True))
            for i, o, n in stages)
        self.pool_in, self.pool_out = conv_bn_silu(16 * c, 8 * c), conv_bn_silu(32 * c, 16 * c)
        self.pool = nn.MaxPool2d(5, 1, 2)
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")
        self.lateral5, self.down_top4 = conv_bn_silu(16 * c, 8 * c), CrossStage(16 * c, 8 * c, 1, False)
        self.lateral4, self.down_top3 = conv_bn_silu(8 * c, 4 * c), CrossStage(8 * c, 4 * c, 1, False)
        self.up3, self.out4 = conv_bn_silu(4 * c, 4 * c, 3, 2), CrossStage(8 * c, 8 * c, 1, False)
        self.up4, self.out5 = conv_bn_silu(8 * c, 8 * c, 3, 2), CrossStage(16 * c, 16 * c, 1, False)
        self.heads = nn.ModuleList(nn.Conv2d(n * c, 3 * self.fields, 1) for n in (4, 8, 16))
        self.register_buffer("anchors", torch.tensor(self.ANCHORS).float().view(3, 1, 3, 1, 1, 2))

    def pyramid(self, images):
        levels, x = [], self.stem(images)
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        _, p3, p4, p5 = levels
        pooled = [self.pool_in(p5)]
        for _ in range(3):
            pooled.append(self.pool(pooled[-1]))
        lateral5 = self.lateral5(self.pool_out(torch.cat(pooled, 1)))
        lateral4 = self.lateral4(self.down_top4(torch.cat((self.upsample(lateral5), p4), 1)))
        out3 = self.down_top3(torch.cat((self.upsample(lateral4), p3), 1))
        out4 = self.out4(torch.cat((self.up3(out3), lateral4), 1))
        return out3, out4, self.out5(torch.cat((self.up4(out4), lateral5), 1))

    def decode(self, head, anchors, stride):
        batch, _, height, width = head.shape
        y = head.view(batch, 3, self.fields, height, width).permute(0, 1, 3, 4, 2).sigmoid()
        rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        cell = torch.stack((columns, rows), -1).float().view(1, 1, height, width, 2)
        centre = (y[..., :2] * 2 - 0.5 + cell) * stride
        extent = (y[..., 2:4] * 2) ** 2 * anchors
        return torch.cat((centre, extent, y[..., 4:]), -1).view(batch, -1, self.fields)

    def forward(self, images):
        return torch.cat([
            self.decode(head(level), self.anchors[i], self.STRIDES[i])
            for i, (head, level) in enumerate(zip(self.heads, self.pyramid(images)))], 1)


def yolov5s():
    return Spec(Yolo(), {"images": torch.randn(1, 3, 64, 64)}, ["output0"], {"images": {0: "batch"}})


MODELS = {
    "bert-base": bert_base, "gpt2": gpt2, "gpt2-step": gpt2_step, "vit-base": vit_base,
    "whisper-small-encoder": whisper_small_encoder, "resnet50": resnet50,
    "mobilenet-v2": mobilenet_v2,
    "efficientnet-b0": lambda: efficientnet(1.0, 1.0, 48, 32),
    "efficientnet-b4": lambda: efficientnet(1.4, 1.8, 64, 32),
    "yolov5s": yolov5s,
}


def liven(module):
    """Gives every weight, bias and statistic a size at which a wrong result shows: initial values
    make attention nearly uniform and let deep convolutions die out."""
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(False)
        if parameter.dim() < 2:
            low, high = (0.8, 1.2) if name.endswith("weight") else (-0.1, 0.1)
            parameter.uniform_(low, high)
        elif "embed" in name or "wte" in name or "wpe" in name:
            parameter.normal_(std=0.5)
        else:
            # GPT-2 keeps its weights as [in, out]; all others have outputs first.
            n_in = parameter.shape[0] if ".c_" in name else parameter[0].numel()
            parameter.normal_(std=1.4 / n_in ** 0.5)
    for name, buffer in module.named_buffers():
        if name.endswith("running_mean"):
            buffer.uniform_(-0.1, 0.1)
        elif name.endswith("running_var"):
            buffer.uniform_(0.8, 1.2)


def strip_notes(path):
    """Drops texts that name source lines; they are most of a small file."""
    model = onnx.load(path)
    del model.metadata_props[:], model.graph.metadata_props[:]
    bodies = [model.graph, *model.functions]
    for body in bodies:
        for node in body.node:
            del node.metadata_props[:]
            node.doc_string = ""
    for value in [*model.graph.value_info, *model.graph.input, *model.graph.output,
                  *model.graph.initializer]:
        del value.metadata_props[:]
        value.doc_string = ""
    onnx.save(model, path)


def variants(spec, opsets):
    """How to export: a name for the file, and torch.onnx.export's arguments."""
    classic = {"dynamo": False, "dynamic_axes": spec.axes}
    dynamo = {"dynamo": True, "external_data": False, "verbose": False,
              "custom_translation_table": spec.translations}
    if not opsets:
        return [("classic", classic | {"opset_version": 17}), ("dynamo", dynamo)]
    return ([(f"classic-{n}", classic | {"opset_version": n}) for n in opsets if n <= 20] +
            [(f"dynamo-{n}", dynamo | {"opset_version": n}) for n in opsets if n >= 18])


def export(name, make, folder, opsets=None):
    torch.manual_seed(0)
    spec = make()
    module = spec.module.eval()
    liven(module)
    args = tuple(spec.inputs.values())
    with torch.no_grad():
        results = module(*args)
    results = results if isinstance(results, tuple) else (results,)
    data = {f"in:{n}": v.numpy() for n, v in spec.inputs.items()}
    data |= {f"out:{n}": v.numpy() for n, v in zip(spec.outputs, results)}
    np.savez_compressed(folder / f"{name}.npz", **data)
    names = {"input_names": list(spec.inputs), "output_names": spec.outputs}
    for kind, how in variants(spec, opsets):
        path = folder / f"{name}-{kind}.onnx"
        torch.onnx.export(module, args, str(path), **names, **how)
        strip_notes(path)
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB", flush=True)


def main():
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:] or MODELS:
        export(name, MODELS[name], FOLDER)


if __name__ == "__main__":
    main()
