"""Exports segmentation models with random weights, as their users do, and what torch itself makes of two crops.

usage: export_models.py FOLDER; for each model: NAME.onnx, NAME.logits (float32), and crops.bin (uint8 [2, 64, 64, 3]);
for the model "low" image.bin (uint8 [100, 140, 3]) and what sliding windows of 64 px at a stride of 40 make of it, resized
to 90 by 150 px: image.logits (float32 [7, 90, 150])
"""
import sys

import torch
import torchvision
from torch import nn

folder = sys.argv[1]
SIZE, CLASSES = 64, 7
MEAN = torch.tensor([123.675, 116.28, 103.53])
STD = torch.tensor([58.395, 57.12, 57.375])
torch.manual_seed(0)
crops = torch.randint(0, 256, (2, SIZE, SIZE, 3), dtype=torch.uint8)
open(f"{folder}/crops.bin", "wb").write(crops.numpy().tobytes())


def save(name, model, batch, example=None, **options):
    """Batch: of the exported example; the file takes any number if the batch's axis is dynamic."""
    model = model.eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 1.5)
    images = ((crops.float() - MEAN) / STD).permute(0, 3, 1, 2).contiguous()
    given = images if example is None else example
    with torch.no_grad():
        outputs = model(given)
    logits = outputs["out"] if isinstance(outputs, dict) else outputs
    logits = logits[0] if isinstance(logits, tuple) else logits
    open(f"{folder}/{name}.logits", "wb").write(logits.float().contiguous().numpy().tobytes())
    torch.onnx.export(model, (given[:batch],), f"{folder}/{name}.onnx", **options)


class LowResolution(nn.Module):
    """Two outputs, a quarter of the resolution, any batch: as many repositories export theirs."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.GELU(), nn.Conv2d(16, 16, 3, 2, 1))
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
        self.head = nn.Conv2d(16, CLASSES, 1)
        self.auxiliary = nn.Conv2d(16, CLASSES, 1)

    def forward(self, x):
        x = self.stem(x)
        b, c, h, w = x.shape
        tokens = x.flatten(2).transpose(1, 2)
        x = (tokens + self.attention(tokens, tokens, tokens)[0]).transpose(1, 2).reshape(b, c, h, w)
        return self.head(x), self.auxiliary(x)


class OwnNormalisation(nn.Module):
    """Takes bytes, channels last, BGR; gives channels last."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, CLASSES, 3, 1, 1)

    def forward(self, x):
        x = (x.float() / 255).permute(0, 3, 1, 2)
        return self.conv(x).permute(0, 2, 3, 1)


def slide(model, image, size, stride, out):
    height, width = image.shape[:2]
    inputs = ((image.float() - MEAN) / STD).permute(2, 0, 1)[None]
    sums, counts = torch.zeros(1, CLASSES, height, width), torch.zeros(1, 1, height, width)
    starts = lambda side: sorted({min(at, side - size) for at in range(0, side - size + stride, stride)})
    with torch.no_grad():
        for top in starts(height):
            for left in starts(width):
                window = (..., slice(top, top + size), slice(left, left + size))
                logits = model(inputs[window])[0]
                sums[window] += nn.functional.interpolate(logits, (size, size), mode="bilinear", align_corners=False)
                counts[window] += 1
        return nn.functional.interpolate(sums / counts, out, mode="bilinear", align_corners=False)[0]


dynamic = {"image": {0: "batch"}, "out": {0: "batch"}, "aux": {0: "batch"}}
segmentation = torchvision.models.segmentation
lraspp = segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=CLASSES)
save("lraspp", lraspp, 1, opset_version=13, input_names=["image"], output_names=["out"])
deeplab = segmentation.deeplabv3_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=CLASSES)
save("deeplab", deeplab, 2, opset_version=16, input_names=["image"], output_names=["out"])
low = LowResolution()
save(
    "low",
    low,
    1,
    opset_version=14,
    input_names=["image"],
    output_names=["out", "aux"],
    dynamic_axes=dynamic,
)
save("bytes", OwnNormalisation(), 1, crops.flip(3), opset_version=11, input_names=["image"], output_names=["out"])
image = torch.randint(0, 256, (100, 140, 3), dtype=torch.uint8)
open(f"{folder}/image.bin", "wb").write(image.numpy().tobytes())
open(f"{folder}/image.logits", "wb").write(slide(low, image, SIZE, 40, (90, 150)).contiguous().numpy().tobytes())
