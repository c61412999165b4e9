#!/usr/bin/env python3
"""Write further models to tests/models, in two layers and small widths, as export_tiny_models.py
does: what the optimiser must also find its way in.

    python scripts/export_tiny_architectures.py [NAME ...]
    python scripts/export_tiny_architectures.py --real FOLDER [NAME ...]     # published sizes
    python scripts/export_tiny_architectures.py --opsets 12,14,20 FOLDER [NAME ...]

`--opsets` writes NAME-classic-OPSET.onnx up to opset 20 and NAME-dynamo-OPSET.onnx from 18 on.
"""
import argparse
import logging
import pathlib
import warnings

import torch
import transformers as hf
from onnxscript import opset18
from torch import nn

import export_tiny_models as tiny
from export_tiny_models import Spec, picked, tokens

REAL = False
HEADS, LAYERS, SEQ, PAST = 4, 2, 10, 7


def size(small, real):
    """The width of the tiny model, or that of the published one."""
    return real if REAL else small


def config(cls, **fields):
    return cls(attn_implementation="eager", **fields)


def ids(*shape):
    return torch.randint(3, size(60, 20000), shape)


def padded(*shape):
    mask = torch.ones(*shape, dtype=torch.int64)
    mask[:, -3:] = 0
    return mask


BATCH_SEQ = {0: "batch", 1: "seq"}


def text_model(cls, config_cls, fields=("last_hidden_state",), **extra):
    inner = cls(config(config_cls, vocab_size=size(64, 30522), **extra))
    seq = size(SEQ, 128)
    return picked(inner, {"input_ids": ids(1, seq), "attention_mask": padded(1, seq)}, list(fields), BATCH_SEQ)


def bert_like():
    return {"hidden_size": size(16, 768), "num_hidden_layers": size(LAYERS, 12),
            "num_attention_heads": size(HEADS, 12), "intermediate_size": size(32, 3072),
            "max_position_embeddings": size(32, 514)}


def distilbert():
    return text_model(hf.DistilBertModel, hf.DistilBertConfig, dim=size(16, 768), n_layers=size(LAYERS, 6),
                      n_heads=size(HEADS, 12), hidden_dim=size(32, 3072), max_position_embeddings=size(32, 512))


def roberta():
    return text_model(hf.RobertaModel, hf.RobertaConfig, ("last_hidden_state", "pooler_output"), **bert_like(),
                      type_vocab_size=1, pad_token_id=1)


def t5_config():
    return config(hf.T5Config, vocab_size=size(64, 32128), d_model=size(16, 512), d_kv=size(4, 64),
                  d_ff=size(32, 2048), num_layers=size(LAYERS, 6), num_heads=size(HEADS, 8),
                  relative_attention_num_buckets=size(8, 32), use_cache=False)


def t5_encoder():
    seq = size(SEQ, 128)
    return picked(hf.T5EncoderModel(t5_config()), {"input_ids": ids(1, seq), "attention_mask": padded(1, seq)},
                  ["last_hidden_state"], BATCH_SEQ)


class Decoder(nn.Module):
    """A decoder over what an encoder gave, and its head."""

    def __init__(self, decoder, head):
        super().__init__()
        self.decoder, self.head = decoder, head

    def forward(self, input_ids, encoded):
        found = self.decoder(input_ids=input_ids, attention_mask=torch.ones_like(input_ids),
                             encoder_hidden_states=encoded, use_cache=False)
        return self.head(found.last_hidden_state)


def decoder_spec(decoder, head, width, length):
    return Spec(Decoder(decoder, head), {"input_ids": ids(1, size(SEQ, 64)),
                                         "encoder_hidden_states": torch.randn(1, length, width)}, ["logits"],
                {"input_ids": BATCH_SEQ, "encoder_hidden_states": {0: "batch", 1: "encoded"}})


def t5_decoder():
    model = hf.T5ForConditionalGeneration(t5_config())
    return decoder_spec(model.decoder, model.lm_head, size(16, 512), size(SEQ + 2, 128))


def whisper_decoder():
    model = hf.WhisperForConditionalGeneration(config(
        hf.WhisperConfig, vocab_size=size(64, 51865), d_model=size(16, 768), encoder_layers=1,
        decoder_layers=size(LAYERS, 12), encoder_attention_heads=size(HEADS, 12),
        decoder_attention_heads=size(HEADS, 12), encoder_ffn_dim=size(32, 3072),
        decoder_ffn_dim=size(32, 3072), num_mel_bins=16, max_source_positions=size(16, 1500),
        max_target_positions=size(16, 448), pad_token_id=0, bos_token_id=1, eos_token_id=2,
        decoder_start_token_id=1))
    return decoder_spec(model.model.decoder, model.proj_out, size(16, 768), size(16, 1500))


def clip_sizes():
    return {"num_hidden_layers": size(LAYERS, 12)}


def clip_text():
    return text_model(hf.CLIPTextModel, hf.CLIPTextConfig, ("last_hidden_state", "pooler_output"),
                      hidden_size=size(16, 512), intermediate_size=size(32, 2048), num_attention_heads=size(HEADS, 8),
                      max_position_embeddings=size(16, 128), projection_dim=size(16, 512), bos_token_id=1,
                      eos_token_id=2, pad_token_id=0, **clip_sizes())


def clip_vision():
    inner = hf.CLIPVisionModel(config(
        hf.CLIPVisionConfig, hidden_size=size(16, 768), intermediate_size=size(32, 3072),
        num_attention_heads=size(HEADS, 12), image_size=size(32, 224), patch_size=size(8, 32),
        projection_dim=size(16, 512), **clip_sizes()))
    side = size(32, 224)
    return picked(inner, {"pixel_values": torch.randn(1, 3, side, side)},
                  ["last_hidden_state", "pooler_output"], {0: "batch"})


def swin():
    side = size(32, 224)
    inner = hf.SwinForImageClassification(config(
        hf.SwinConfig, image_size=side, patch_size=size(2, 4), embed_dim=size(8, 96),
        depths=size([2, 2], [2, 2, 6, 2]), num_heads=size([2, 4], [3, 6, 12, 24]), window_size=size(4, 7),
        num_labels=20))
    return picked(inner, {"pixel_values": torch.randn(1, 3, side, side)}, ["logits"], {0: "batch"})


def convnext():
    side = size(64, 224)
    inner = hf.ConvNextForImageClassification(hf.ConvNextConfig(
        hidden_sizes=size([8, 16, 24], [96, 192, 384, 768]), depths=size([1, 2, 1], [3, 3, 9, 3]),
        num_stages=size(3, 4), layer_scale_init_value=1.0, num_labels=20, image_size=side))
    return picked(inner, {"pixel_values": torch.randn(1, 3, side, side)}, ["logits"], {0: "batch"})


def llama_model(use_cache):
    return hf.LlamaForCausalLM(config(
        hf.LlamaConfig, vocab_size=size(64, 32000), hidden_size=size(16, 576), intermediate_size=size(32, 1536),
        num_hidden_layers=size(LAYERS, 30), num_attention_heads=size(4, 9), num_key_value_heads=size(2, 3),
        max_position_embeddings=size(64, 2048), use_cache=use_cache))


def llama():
    seq = size(SEQ, 128)
    return picked(llama_model(False), {"input_ids": ids(1, seq), "attention_mask": torch.ones(1, seq, dtype=torch.int64)},
                  ["logits"], BATCH_SEQ)


def llama_step():
    slots = [f"{i}_{part}" for i in range(size(LAYERS, 30)) for part in ("key", "value")]
    shape = (1, size(2, 3), size(PAST, 127), size(4, 64))
    past = {f"past_{s}": torch.randn(shape) for s in slots}
    axes = {"input_ids": {0: "batch"}, **{name: {0: "batch", 2: "past"} for name in past}}
    return Spec(tiny.DecodingStep(llama_model(True)), {"input_ids": ids(1, 1), **past},
                ["logits", *(f"present_{s}" for s in slots)], axes)


# ------------------------------------------------------------------ modules of our own


class Residual(nn.Module):
    """Two convolutions with GroupNorm and SiLU before them, and a shortcut."""

    def __init__(self, inp, out, groups):
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(groups, inp), nn.GroupNorm(groups, out)
        self.conv1, self.conv2 = nn.Conv2d(inp, out, 3, 1, 1), nn.Conv2d(out, out, 3, 1, 1)
        self.time = nn.Linear(16, out)
        self.short = nn.Conv2d(inp, out, 1) if inp != out else nn.Identity()

    def forward(self, x, t):
        y = self.conv1(nn.functional.silu(self.norm1(x)))
        y = y + self.time(nn.functional.silu(t))[:, :, None, None]
        return self.short(x) + self.conv2(nn.functional.silu(self.norm2(y)))


class PixelAttention(nn.Module):
    """Attention among the pixels of a map, and a GEGLU."""

    def __init__(self, width, heads, groups):
        super().__init__()
        self.heads, self.norm, self.norm2 = heads, nn.GroupNorm(groups, width), nn.LayerNorm(width)
        self.q, self.k, self.v = (nn.Linear(width, width, bias=False) for _ in range(3))
        self.out, self.wide, self.narrow = nn.Linear(width, width), nn.Linear(width, 4 * width), nn.Linear(2 * width, width)

    def forward(self, x):
        b, c, h, w = x.shape
        y = self.norm(x).flatten(2).transpose(1, 2)
        q, k, v = (f(y).view(b, h * w, self.heads, c // self.heads).transpose(1, 2) for f in (self.q, self.k, self.v))
        weights = torch.softmax(q @ k.transpose(-1, -2) * (c // self.heads) ** -0.5, -1)
        y = y + self.out((weights @ v).transpose(1, 2).reshape(b, h * w, c))
        value, gate = self.wide(self.norm2(y)).chunk(2, -1)
        y = y + self.narrow(value * nn.functional.gelu(gate))
        return x + y.transpose(1, 2).reshape(b, c, h, w)


class UNet(nn.Module):
    """A diffusion model's U-Net, one step down and up."""

    def __init__(self, c, groups):
        super().__init__()
        self.enter, self.leave = nn.Conv2d(4, c, 3, 1, 1), nn.Conv2d(c, 4, 3, 1, 1)
        self.down1, self.down2 = Residual(c, c, groups), Residual(c, 2 * c, groups)
        self.shrink, self.grow = nn.Conv2d(c, c, 3, 2, 1), nn.ConvTranspose2d(2 * c, c, 2, 2)
        self.middle, self.up = PixelAttention(2 * c, 2, groups), Residual(2 * c, c, groups)
        self.norm = nn.GroupNorm(groups, c)
        self.bottle = nn.Sequential(nn.InstanceNorm2d(2 * c, affine=True), nn.Mish(), nn.Conv2d(2 * c, 2 * c, 1))

    def forward(self, x, t):
        a = self.down1(self.enter(x), t)
        b = self.middle(self.down2(self.shrink(a), t))
        b = b + self.bottle(b)
        y = self.up(torch.cat((self.grow(b), a), 1), t)
        return self.leave(nn.functional.silu(self.norm(y)))


def unet():
    side = size(16, 64)
    return Spec(UNet(size(8, 128), size(2, 32)), {"sample": torch.randn(1, 4, side, side), "time": torch.randn(1, 16)},
                ["noise"], {"sample": {0: "batch"}, "time": {0: "batch"}})


class Tagger(nn.Module):
    """Words to tags by a bidirectional LSTM."""

    def __init__(self, words, width, hidden, tags):
        super().__init__()
        self.embed = nn.Embedding(words, width)
        self.lstm = nn.LSTM(width, hidden, 2, batch_first=True, bidirectional=True)
        self.tags = nn.Linear(2 * hidden, tags)

    def forward(self, words):
        return nn.functional.log_softmax(self.tags(self.lstm(self.embed(words))[0]), -1)


def lstm_tagger():
    seq = size(SEQ, 64)
    return Spec(Tagger(size(64, 20000), size(16, 128), size(12, 256), 9), {"words": ids(1, seq)}, ["tags"],
                {"words": {1: "seq"}})


def suppress(boxes, scores, limit, iou, least):
    """ONNX's NonMaxSuppression; boxes [1,N,4], scores [1,C,N]."""
    order, kept = scores[0].argsort(-1, descending=True), []
    for c in range(scores.shape[1]):
        mine = []
        for i in order[c].tolist():
            if scores[0, c, i] > least and len(mine) < int(limit) and all(
                    overlap(boxes[0, i], boxes[0, j]) <= iou for j in mine):
                mine.append(i)
        kept += [[0, c, i] for i in mine]
    return torch.tensor(kept, dtype=torch.int64).reshape(-1, 3)


class Suppress(torch.autograd.Function):
    """For the classic exporter."""

    @staticmethod
    def forward(_, *args):
        return suppress(*args)

    @staticmethod
    def symbolic(g, *args):
        return g.op("NonMaxSuppression", *args)


@torch.library.custom_op("corten::suppress", mutates_args=())
def suppress_op(boxes: torch.Tensor, scores: torch.Tensor, limit: torch.Tensor, iou: torch.Tensor,
                least: torch.Tensor) -> torch.Tensor:
    """For the newer exporter."""
    return suppress(boxes, scores, limit, iou, least)


@suppress_op.register_fake
def _(boxes, scores, limit, iou, least):
    return boxes.new_empty((torch.library.get_ctx().new_dynamic_size(), 3), dtype=torch.int64)


def overlap(a, b):
    low, high = torch.maximum(a[:2], b[:2]), torch.minimum(a[2:], b[2:])
    common = (high - low).clamp(min=0).prod()
    return common / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - common)


def suppress_onnx(boxes, scores, limit, iou, least):
    return opset18.NonMaxSuppression(boxes, scores, limit, iou, least)


class Detector(nn.Module):
    """A few convolutions with squeeze-and-excite and hard-swish, boxes from distances, and NMS."""

    def __init__(self, c, classes):
        super().__init__()
        self.body = nn.Sequential(*(nn.Sequential(nn.Conv2d(i, o, 3, 2, 1, bias=False), nn.BatchNorm2d(o), nn.Hardswish())
                                    for i, o in ((3, c), (c, c), (c, 2 * c))))
        self.squeeze = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(2 * c, c, 1), nn.ReLU(),
                                     nn.Conv2d(c, 2 * c, 1), nn.Hardsigmoid())
        self.scores, self.sides = nn.Conv2d(2 * c, classes, 1), nn.Conv2d(2 * c, 4, 1)
        self.register_buffer("limit", torch.tensor([5]))
        self.register_buffer("iou", torch.tensor([0.5]))
        self.register_buffer("least", torch.tensor([0.4]))

    def forward(self, images):
        x = self.body(images)
        x = x * self.squeeze(x)
        h, w = x.shape[2:]
        scores = self.scores(x).flatten(2).sigmoid()
        rows, columns = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
        centre = (torch.stack((columns, rows), -1).float().view(1, h * w, 2) + 0.5) * 8
        sides = nn.functional.softplus(self.sides(x).flatten(2).transpose(1, 2)) * 8
        boxes = torch.cat((centre - sides[..., :2], centre + sides[..., 2:]), -1)
        picked_ = self.suppress(boxes, scores)
        return boxes[0][picked_[:, 2]], scores[0][picked_[:, 1], picked_[:, 2]], picked_[:, 1]

    def suppress(self, boxes, scores):
        if torch.compiler.is_exporting():
            return torch.ops.corten.suppress(boxes, scores, self.limit, self.iou, self.least)
        return Suppress.apply(boxes, scores, self.limit, self.iou, self.least)


def detector():
    side = size(64, 320)
    return Spec(Detector(size(8, 32), 3), {"images": torch.randn(1, 3, side, side)}, ["boxes", "scores", "classes"], {},
                {torch.ops.corten.suppress.default: suppress_onnx})


MODELS = {f.__name__.replace("_", "-"): f for f in (
    distilbert, roberta, t5_encoder, t5_decoder, whisper_decoder, clip_text, clip_vision, swin, convnext, llama,
    llama_step, unet, lstm_tagger, detector)}


def main():
    global REAL
    parser = argparse.ArgumentParser()
    parser.add_argument("--real", metavar="FOLDER", type=pathlib.Path)
    parser.add_argument("--opsets", nargs=2, metavar=("LIST", "FOLDER"))
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    REAL = args.real is not None
    folder = args.real or pathlib.Path(args.opsets[1] if args.opsets else tiny.FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    opsets = [int(n) for n in args.opsets[0].split(",")] if args.opsets else None
    for name in args.names or MODELS:
        tiny.export(name, MODELS[name], folder, opsets)


if __name__ == "__main__":
    main()
