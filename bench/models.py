#!/usr/bin/env python3
"""The ten benchmark models: published architectures with random weights from a fixed seed.

    pip install torch==2.13.0 transformers onnx onnxscript
    python bench/models.py [--dynamo] FOLDER [NAME ...]      # no name: all of them

Every NAME gives FOLDER/NAME.onnx, and FOLDER/NAME.npz with one set of inputs ("in:<name>") and
PyTorch's outputs ("out:<name>"). Speed and memory do not depend on the values of weights, so nothing
is downloaded. Without --dynamo PyTorch's TorchScript exporter writes opset 17 with axes that vary,
with it the newer exporter its default opset with the shapes of the inputs.
"""
import argparse
import dataclasses
import logging
import pathlib
import warnings

import numpy as np
import torch
import transformers as hf
from torch import nn


@dataclasses.dataclass
class Spec:
    """A model, one set of inputs, the names of outputs, and the axes that vary, by input."""
    module: nn.Module
    inputs: dict
    outputs: list
    axes: dict


class Pick(nn.Module):
    """Calls a Hugging Face model by keyword and returns the named fields as a tuple."""

    def __init__(self, inner, keywords, fields):
        super().__init__()
        self.inner, self.keywords, self.fields = inner, keywords, fields

    def forward(self, *args):
        result = self.inner(**dict(zip(self.keywords, args)))
        return tuple(result[field] for field in self.fields)


def picked(inner, inputs, fields, axes):
    return Spec(Pick(inner, list(inputs), fields), inputs, fields, {n: axes for n in inputs})


def image_model(inner, size):
    return picked(inner, {"pixel_values": torch.randn(1, 3, size, size)}, ["logits"], {0: "batch"})


def tokens(vocabulary, *shape):
    return torch.randint(1, vocabulary, shape)


def ones(*shape):
    return torch.ones(shape, dtype=torch.int64)


def bert_base():
    model = hf.BertModel(hf.BertConfig(attn_implementation="eager"))
    inputs = {"input_ids": tokens(30000, 1, 128), "attention_mask": ones(1, 128),
              "token_type_ids": 0 * ones(1, 128)}
    return picked(model, inputs, ["last_hidden_state", "pooler_output"], {0: "batch", 1: "seq"})


def gpt2():
    model = hf.GPT2LMHeadModel(hf.GPT2Config(attn_implementation="eager", use_cache=False))
    inputs = {"input_ids": tokens(50000, 1, 256), "attention_mask": ones(1, 256)}
    return picked(model, inputs, ["logits"], {0: "batch", 1: "seq"})


class Step(nn.Module):
    """One token of GPT-2, with the keys and values so far as inputs and outputs."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, input_ids, *past):
        cache = hf.DynamicCache()
        for i in range(0, len(past), 2):
            cache.update(past[i], past[i + 1], i // 2)
        out = self.inner(input_ids=input_ids, past_key_values=cache, use_cache=True)
        present = [t for layer in out.past_key_values.layers for t in (layer.keys, layer.values)]
        return (out.logits, *present)


def gpt2_step():
    config = hf.GPT2Config(attn_implementation="eager")
    names = [f"{i}_{part}" for i in range(config.n_layer) for part in ("key", "value")]
    heads = config.n_head, 255, config.n_embd // config.n_head
    inputs = {"input_ids": tokens(50000, 1, 1), **{f"past_{n}": torch.randn(1, *heads) for n in names}}
    axes = {n: {0: "batch", 2: "past"} for n in inputs}
    return Spec(Step(hf.GPT2LMHeadModel(config)), inputs,
                ["logits", *(f"present_{n}" for n in names)], {**axes, "input_ids": {0: "batch"}})


def vit_base():
    return image_model(hf.ViTForImageClassification(
        hf.ViTConfig(num_labels=1000, attn_implementation="eager")), 224)


def whisper_small_encoder():
    config = hf.WhisperConfig(d_model=768, encoder_layers=12, decoder_layers=12,
                              encoder_attention_heads=12, decoder_attention_heads=12,
                              encoder_ffn_dim=3072, decoder_ffn_dim=3072, attn_implementation="eager")
    return picked(hf.WhisperModel(config).get_encoder(), {"input_features": torch.randn(1, 80, 3000)},
                  ["last_hidden_state"], {0: "batch"})


def resnet50():
    return image_model(hf.ResNetForImageClassification(hf.ResNetConfig(num_labels=1000)), 224)


def mobilenet_v2():
    config = hf.MobileNetV2Config(num_labels=1001, tf_padding=False)
    return image_model(hf.MobileNetV2ForImageClassification(config), 224)


def efficientnet(width, depth, size, dim):
    model = hf.EfficientNetForImageClassification(hf.EfficientNetConfig(
        image_size=size, width_coefficient=width, depth_coefficient=depth, hidden_dim=dim,
        num_labels=1000))
    model.efficientnet.pooler = nn.AdaptiveAvgPool2d(1)  # the published global pooling
    return image_model(model, size)


class ConvUnit(nn.Sequential):
    """Convolution, batch normalisation, SiLU."""

    def __init__(self, before, after, kernel=1, stride=1):
        super().__init__(nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False),
                         nn.BatchNorm2d(after), nn.SiLU())


class Csp(nn.Module):
    """YOLOv5's C3: a chain of bottlenecks beside a shortcut."""

    def __init__(self, before, after, count, residual=True):
        super().__init__()
        half = after // 2
        self.main, self.side = ConvUnit(before, half), ConvUnit(before, half)
        self.join = ConvUnit(2 * half, after)
        self.chain = nn.ModuleList(nn.Sequential(ConvUnit(half, half), ConvUnit(half, half, 3))
                                   for _ in range(count))
        self.residual = residual

    def forward(self, x):
        y = self.main(x)
        for step in self.chain:
            y = y + step(y) if self.residual else step(y)
        return self.join(torch.cat((y, self.side(x)), 1))


class Yolov5s(nn.Module):
    """YOLOv5 v6, depth 0.33, width 0.5, with the decoding head."""
    STRIDES = (8, 16, 32)
    ANCHORS = ((10, 13, 16, 30, 33, 23), (30, 61, 62, 45, 59, 119), (116, 90, 156, 198, 373, 326))

    def __init__(self, classes=80):
        super().__init__()
        self.fields = classes + 5
        self.stem = ConvUnit(3, 32, 6, 2)
        self.stem[0].padding = (2, 2)
        self.to4 = nn.Sequential(ConvUnit(32, 64, 3, 2), Csp(64, 64, 1))
        self.to8 = nn.Sequential(ConvUnit(64, 128, 3, 2), Csp(128, 128, 2))
        self.to16 = nn.Sequential(ConvUnit(128, 256, 3, 2), Csp(256, 256, 3))
        self.to32 = nn.Sequential(ConvUnit(256, 512, 3, 2), Csp(512, 512, 1))
        self.shrink, self.grow = ConvUnit(512, 256), ConvUnit(1024, 512)
        self.pool = nn.MaxPool2d(5, 1, 2)
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.lateral32, self.top16 = ConvUnit(512, 256), Csp(512, 256, 1, False)
        self.lateral16, self.top8 = ConvUnit(256, 128), Csp(256, 128, 1, False)
        self.down16, self.out16 = ConvUnit(128, 128, 3, 2), Csp(256, 256, 1, False)
        self.down32, self.out32 = ConvUnit(256, 256, 3, 2), Csp(512, 512, 1, False)
        self.heads = nn.ModuleList(nn.Conv2d(c, 3 * self.fields, 1) for c in (128, 256, 512))

    def forward(self, images):
        eighth = self.to8(self.to4(self.stem(images)))
        sixteenth = self.to16(eighth)
        x = self.shrink(self.to32(sixteenth))
        pools = [x]
        for _ in range(3):
            pools.append(self.pool(pools[-1]))
        lateral32 = self.lateral32(self.grow(torch.cat(pools, 1)))
        lateral16 = self.lateral16(self.top16(torch.cat((self.up(lateral32), sixteenth), 1)))
        out8 = self.top8(torch.cat((self.up(lateral16), eighth), 1))
        out16 = self.out16(torch.cat((self.down16(out8), lateral16), 1))
        out32 = self.out32(torch.cat((self.down32(out16), lateral32), 1))
        levels = zip((out8, out16, out32), self.heads, self.STRIDES, self.ANCHORS)
        return torch.cat([self.decode(head(x), stride, anchors) for x, head, stride, anchors in levels], 1)

    def decode(self, x, stride, anchors):
        n, _, h, w = x.shape
        x = x.view(n, 3, self.fields, h, w).permute(0, 1, 3, 4, 2).sigmoid()
        rows, columns = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
        grid = torch.stack((columns, rows), -1).float().view(1, 1, h, w, 2)
        centre = (x[..., :2] * 2 - 0.5 + grid) * stride
        size = (x[..., 2:4] * 2) ** 2 * torch.tensor(anchors).float().view(1, 3, 1, 1, 2)
        return torch.cat((centre, size, x[..., 4:]), -1).view(n, -1, self.fields)


def yolov5s():
    return Spec(Yolov5s(), {"images": torch.randn(1, 3, 640, 640)}, ["output0"], {"images": {0: "batch"}})


MODELS = {
    "bert-base": bert_base, "gpt2": gpt2, "gpt2-step": gpt2_step, "vit-base": vit_base,
    "whisper-small-encoder": whisper_small_encoder, "resnet50": resnet50,
    "mobilenet-v2": mobilenet_v2,
    "efficientnet-b0": lambda: efficientnet(1.0, 1.0, 224, 1280),
    "efficientnet-b4": lambda: efficientnet(1.4, 1.8, 380, 1792),
    "yolov5s": yolov5s,
}


def make(name):
    """The Spec of a model, ready for inference."""
    torch.manual_seed(0)
    spec = MODELS[name]()
    spec.module.eval()
    for norm in spec.module.modules():  # statistics that are not those of a new layer
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.uniform_(-0.1, 0.1)
            norm.running_var.uniform_(0.8, 1.2)
            norm.weight.data.uniform_(0.8, 1.2)
    return spec


def run(spec):
    with torch.inference_mode():
        outputs = spec.module(*spec.inputs.values())
    return outputs if isinstance(outputs, tuple) else (outputs,)


def export(name, folder, dynamo):
    spec, path = make(name), folder / f"{name}.onnx"
    how = {"dynamo": True, "external_data": False, "verbose": False} if dynamo else {
        "dynamo": False, "dynamic_axes": spec.axes, "opset_version": 17}
    torch.onnx.export(spec.module, tuple(spec.inputs.values()), str(path),
                      input_names=list(spec.inputs), output_names=spec.outputs, **how)
    np.savez(folder / f"{name}.npz", **{f"in:{n}": x.numpy() for n, x in spec.inputs.items()},
             **{f"out:{n}": y.numpy() for n, y in zip(spec.outputs, run(spec))})
    print(f"{name}: {path.stat().st_size / 1e6:.0f} MB", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--dynamo", action="store_true")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    args.folder.mkdir(parents=True, exist_ok=True)
    for name in args.names or MODELS:
        export(name, args.folder, args.dynamo)


if __name__ == "__main__":
    main()
