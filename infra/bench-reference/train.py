"""Times training steps of mmsegmentation's heads in PyTorch, on features as a frozen backbone gives them.

    train.py --head linear|upernet [--embed 3200] [--channels 1536] [--batch 2] [--crop 504] [--steps 5] [--threads 2]

A step is all that the original does after the backbone: forward, resized cross-entropy, accuracy, backward, AdamW.
Prints one JSON line: seconds of each step (the first is a warm-up), the losses, the process's peak memory.
"""
import argparse
import contextlib
import io
import json
import resource
import time
import warnings

warnings.filterwarnings("ignore")
parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--head", choices=["linear", "upernet"], required=True)
for name, default in dict(embed=3200, channels=1536, batch=2, crop=504, steps=5, threads=2).items():
    parser.add_argument(f"--{name}", type=int, default=default)
args = parser.parse_args()

import torch
with contextlib.redirect_stdout(io.StringIO()):
    import model as ours
    from mmseg.models.builder import build_head
    from mmseg.models.decode_heads.fcn_head import FCNHead
from torch import nn

torch.set_num_threads(args.threads)
torch.manual_seed(0)
bn = dict(type="BN", requires_grad=True)
common = dict(num_classes=150, norm_cfg=bn, align_corners=False)
loss = lambda weight: dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=weight)
c, grid = args.embed, args.crop // 14


class Pyramid(nn.Module):
    """up1 and up2 of the original's backbone, which train with the head."""
    def __init__(self):
        super().__init__()
        up = lambda: nn.ConvTranspose2d(c, c, 2, 2)
        self.up1 = nn.Sequential(up(), ours.LayerNorm2d(c), nn.GELU(), up())
        self.up2 = up()

    def forward(self, taps):
        return [self.up1(taps[0]), self.up2(taps[1]), taps[2], nn.functional.max_pool2d(taps[3], 2, 2)]


if args.head == "linear":
    taps, parts = 1, nn.ModuleDict(dict(
        neck=nn.Identity(),
        decode=build_head(dict(type="FCNHead", in_channels=c, channels=c, in_index=0, dropout_ratio=0.0, loss_decode=loss(1.0), **common))))
else:
    auxiliary = min(args.channels, 256)
    taps, parts = 4, nn.ModuleDict(dict(
        neck=Pyramid(),
        decode=build_head(dict(type="UPerHead", in_channels=[c] * 4, in_index=[0, 1, 2, 3], pool_scales=(1, 2, 3, 6),
                               channels=args.channels, dropout_ratio=0.1, loss_decode=loss(1.0), **common)),
        auxiliary=FCNHead(in_channels=c, channels=auxiliary, in_index=2, num_convs=1, concat_input=False,
                          dropout_ratio=0.1, loss_decode=loss(0.4), **common)))
parts.train()
optimizer = torch.optim.AdamW(parts.parameters(), lr=1e-4, weight_decay=0.05)

seconds, losses = [], []
for step in range(args.steps + 1):
    features = [torch.rand(args.batch, c, grid, grid) - 0.5 for _ in range(taps)]
    labels = torch.randint(0, 151, (args.batch, 1, args.crop, args.crop))
    labels[labels == 150] = 255
    start = time.perf_counter()
    levels = parts["neck"](features)
    found = parts["decode"].forward_train(levels, None, labels, None)
    total = found["loss_ce"]
    if "auxiliary" in parts:
        total = total + parts["auxiliary"].forward_train(levels, None, labels, None)["loss_ce"]
    optimizer.zero_grad()
    total.backward()
    optimizer.step()
    seconds.append(time.perf_counter() - start)
    losses.append(float(total))
print(json.dumps(dict(
    seconds=seconds[1:], losses=losses[1:], parameters=sum(p.numel() for p in parts.parameters()),
    peak_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, torch=torch.__version__, threads=args.threads)))
