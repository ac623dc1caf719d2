"""Loads a trained head into modules that are named as mmsegmentation's, and runs it on a backbone's features.

    torch_head.py CHECKPOINT MODEL TAPS LOGITS

MODEL is a config's model section as JSON, TAPS one `[C, g, g]` of float32 for each tap. The logits go to LOGITS.
Prints as JSON what the checkpoint holds: its meta, and each tensor's dtype, shape and the SHA-256 of its bytes.
"""
import hashlib
import json
import sys

import torch
from torch import nn
from torch.nn import functional as F

checkpoint, model, taps, logits = sys.argv[1:]
with open(model) as file:
    model = json.load(file)
head, embed = model["head"], model["backbone"]["embedDim"]


class ConvModule(nn.Module):
    def __init__(self, inputs, outputs, kernel):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=head["batchNormEps"])

    def forward(self, x):
        return F.relu(self.bn(self.conv(x)))


class LayerNorm2d(nn.LayerNorm):
    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class LinearHead(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(embed, eps=head["batchNormEps"])
        self.conv_seg = nn.Conv2d(embed, head["classes"], 1)

    def forward(self, taps):
        return self.conv_seg(self.norm(taps[0]))


class UPerHead(nn.Module):
    def __init__(self):
        super().__init__()
        channels, scales = head["channels"], head["poolScales"]
        self.psp_modules = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(scale), ConvModule(embed, channels, 1)) for scale in scales
        )
        self.bottleneck = ConvModule(embed + len(scales) * channels, channels, 3)
        self.lateral_convs = nn.ModuleList(ConvModule(embed, channels, 1) for _ in range(3))
        self.fpn_convs = nn.ModuleList(ConvModule(channels, channels, 3) for _ in range(3))
        self.fpn_bottleneck = ConvModule(4 * channels, channels, 3)
        self.conv_seg = nn.Conv2d(channels, head["classes"], 1)

    def forward(self, levels):
        resized = lambda x, like: F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)
        coarsest = levels[3]
        pooled = [resized(pool(coarsest), coarsest) for pool in self.psp_modules]
        laterals = [conv(level) for conv, level in zip(self.lateral_convs, levels)]
        laterals.append(self.bottleneck(torch.cat([coarsest, *pooled], 1)))
        for i in (3, 2, 1):
            laterals[i - 1] = laterals[i - 1] + resized(laterals[i], laterals[i - 1])
        outputs = [conv(lateral) for conv, lateral in zip(self.fpn_convs, laterals)] + laterals[3:]
        return self.conv_seg(self.fpn_bottleneck(torch.cat([resized(x, outputs[0]) for x in outputs], 1)))


class FCNHead(nn.Module):
    def __init__(self, channels, classes):
        super().__init__()
        self.convs = nn.Sequential(ConvModule(embed, channels, 3))
        self.conv_seg = nn.Conv2d(channels, classes, 1)


class Pyramid(nn.Module):
    """What of the original's backbone trains with UperNet."""

    def __init__(self):
        super().__init__()
        up = lambda: nn.ConvTranspose2d(embed, embed, 2, 2)
        self.up1 = nn.Sequential(up(), LayerNorm2d(embed, eps=1e-6), nn.GELU(), up())
        self.up2 = nn.Sequential(up())

    def forward(self, taps):
        return [self.up1(taps[0]), self.up2(taps[1]), taps[2], F.max_pool2d(taps[3], 2, 2)]


parts = dict(decode_head=LinearHead()) if head["type"] == "linear" else dict(backbone=Pyramid(), decode_head=UPerHead())
if "auxiliaryHead" in model:
    parts["auxiliary_head"] = FCNHead(model["auxiliaryHead"]["channels"], model["auxiliaryHead"]["classes"])
segmenter = nn.ModuleDict(parts).eval()

found = torch.load(checkpoint, map_location="cpu", weights_only=True)
segmenter.load_state_dict(found["state_dict"], strict=True)
with open(taps, "rb") as file:
    values = torch.frombuffer(bytearray(file.read()), dtype=torch.float32)
side = model["backbone"]["imageSizePx"] // model["backbone"]["patchSizePx"]
features = values.reshape(-1, 1, embed, side, side)
with torch.no_grad():
    output = segmenter["decode_head"](segmenter["backbone"](features) if "backbone" in parts else features)


def raw(tensor):
    return bytes(tensor.contiguous().reshape(-1).view(torch.uint8).tolist())


with open(logits, "wb") as file:
    file.write(raw(output))
tensors = {
    name: [str(tensor.dtype), list(tensor.shape), hashlib.sha256(raw(tensor)).hexdigest()]
    for name, tensor in found["state_dict"].items()
}
print(json.dumps(dict(meta=found["meta"], tensors=tensors)))
