"""Times mmsegmentation's own test loop: one image after the other, one crop after the other.

    bench.py --make-backbone VIT.pth --make-head HEAD.pth [sizes]                random weights in the original's form
    bench.py --data ADE_ROOT --backbone VIT.pth --head HEAD.pth [sizes] [--images N]

Sizes: --embed 384 --depth 12 --heads 6 --taps 10 --crop 504 --stride 322 (defaults: a mid-size model).
Prints one JSON line: images/s, crops/s, seconds by phase, aAcc, mIoU, pixels predicted as each class.
"""

import argparse
import contextlib
import io
import json
import logging
import time
import warnings

warnings.filterwarnings("ignore")
with contextlib.redirect_stdout(io.StringIO()):
    import torch

    import model as backbone_and_head
    import mmcv
    import numpy as np
    from mmcv.parallel import MMDataParallel
    from mmseg.apis import single_gpu_test
    from mmseg.datasets import build_dataloader, build_dataset
    from mmseg.datasets.builder import PIPELINES
    from mmseg.models import build_segmentor

SIZES = dict(embed=384, depth=12, heads=6, crop=504, stride=322, channels=64, images=20, threads=2)
NORMALIZE = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--taps", type=int, nargs="+", default=[10])
    parser.add_argument("--upernet", action="store_true")
    parser.add_argument(
        "--naive-attention",
        action="store_true",
        help="as the original does it without flash-attn; the default is torch's fused attention, which is faster",
    )
    for name in ("data", "backbone", "head", "make-backbone", "make-head"):
        parser.add_argument(f"--{name}")
    return parser.parse_args()


def build(args):
    """The segmentor; BN stands for SyncBN, which is the same at test time and runs without a process group."""
    head = dict(
        num_classes=150,
        norm_cfg=dict(type="BN", requires_grad=True),
        align_corners=False,
        dropout_ratio=0.1,
        loss_decode=dict(type="CrossEntropyLoss", use_sigmoid=False, loss_weight=1.0),
    )
    taps = args.taps
    if args.upernet:
        if len(taps) != 4:
            taps = [round(args.depth * (i + 1) / 4) - 1 for i in range(4)]
        levels = dict(in_channels=[args.embed] * 4, in_index=[0, 1, 2, 3], pool_scales=(1, 2, 3, 6))
        head.update(type="UPerHead", channels=args.channels, **levels)
    else:
        head.update(type="FCNHead", in_channels=args.embed, channels=args.embed, in_index=0, dropout_ratio=0.0)
    backbone = dict(type="InternViT6B", embed_dim=args.embed, depth=args.depth, num_heads=args.heads)
    backbone.update(img_size=args.crop, out_indices=taps, with_fpn=args.upernet)
    slide = dict(mode="slide", crop_size=(args.crop, args.crop), stride=(args.stride, args.stride))
    config = dict(type="EncoderDecoder", backbone=backbone, decode_head=head, train_cfg=None, test_cfg=slide)
    return build_segmentor(mmcv.ConfigDict(config)).eval()


def make_weights(segmentor, args):
    """Random weights, in the files that the original has: a backbone pre-trained at 224 px, and a head."""
    torch.manual_seed(0)
    for name, parameter in segmentor.named_parameters():
        if parameter.ndim > 1:
            # A head of some spread, so that pixels differ in what they are predicted as.
            deviation = parameter.shape[-1] ** -0.5 if "blocks" in name else 1.0 if "conv_seg" in name else 0.02
            torch.nn.init.trunc_normal_(parameter, std=deviation)
    state = segmentor.state_dict()
    if args.make_backbone:
        prefix = "backbone."
        vit = {k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix) and ".up" not in k}
        grid = torch.randn(1, 256, args.embed) * 0.02  # 16 x 16
        vit["pos_embed"] = torch.cat([vit["pos_embed"][:, :1], grid], 1)
        torch.save(vit, args.make_backbone)
    if args.make_head:
        head = {k: v for k, v in state.items() if not k.startswith("backbone.") or k.startswith("backbone.up")}
        torch.save({"meta": {}, "state_dict": head}, args.make_head)


def load_weights(segmentor, args):
    segmentor.backbone.load(args.backbone)
    segmentor.load_state_dict(torch.load(args.head, map_location="cpu")["state_dict"], strict=False)


@PIPELINES.register_module()
class SquareResize:
    """Short side to `crop`, then both sides up to a multiple of 14 (two byte-rounded resizes, as the original)."""

    def __init__(self, crop):
        self.crop = crop

    def __call__(self, results):
        height, width = results["img"].shape[:2]
        size = mmcv.rescale_size((width, height), self.crop / min(height, width))
        img = mmcv.imresize(results["img"], size)
        img = mmcv.imresize(img, tuple(-(-side // 14) * 14 for side in size))
        results.update(img=img, img_shape=img.shape, pad_shape=img.shape, scale_factor=1.0, keep_ratio=True)
        return results


def open_dataset(args):
    transforms = [
        dict(type="SquareResize", crop=args.crop),
        dict(type="RandomFlip", prob=0.0),
        dict(type="Normalize", **NORMALIZE),
        dict(type="ImageToTensor", keys=["img"]),
        dict(type="Collect", keys=["img"]),
    ]
    scale = (4 * args.crop, args.crop)
    pipeline = [
        dict(type="LoadImageFromFile"),
        dict(type="MultiScaleFlipAug", img_scale=scale, flip=False, transforms=transforms),
    ]
    folders = dict(img_dir="images/validation", ann_dir="annotations/validation")
    config = dict(type="ADE20KDataset", data_root=args.data, test_mode=True, pipeline=pipeline, **folders)
    dataset = build_dataset(config)
    dataset.img_infos = dataset.img_infos[: args.images]
    return dataset


def timed(function, key, seconds, calls):
    def wrapper(*args, **kwargs):
        start = time.perf_counter()
        out = function(*args, **kwargs)
        seconds[key] += time.perf_counter() - start
        calls[key] += 1
        return out

    return wrapper


def run(segmentor, dataset):
    """One pass of the loop. Seconds are by phase, and by what calls what they overlap nowhere."""
    phases = ("preprocess", "backbone", "head")
    seconds, calls = dict.fromkeys(phases, 0.0), dict.fromkeys(phases, 0)
    segmentor.extract_feat = timed(segmentor.extract_feat, "backbone", seconds, calls)
    segmentor.decode_head.forward = timed(segmentor.decode_head.forward, "head", seconds, calls)
    dataset.pipeline = timed(dataset.pipeline, "preprocess", seconds, calls)
    one_by_one = dict(samples_per_gpu=1, workers_per_gpu=0, dist=False, shuffle=False, persistent_workers=False)
    loader = build_dataloader(dataset, **one_by_one)
    with contextlib.redirect_stdout(io.StringIO()):
        start = time.perf_counter()
        results = single_gpu_test(MMDataParallel(segmentor, device_ids=[0]), loader, pre_eval=True)
        total = time.perf_counter() - start
    seconds["postprocess and metric"] = total - sum(seconds.values())
    return results, total, seconds, calls["backbone"]


def metrics(results):
    """mmseg's own, unrounded: it gives percents with two digits."""
    intersect, union, predicted, label = (sum(part).double().numpy() for part in zip(*results))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_iou = float(np.nanmean(intersect / union))
    return dict(aAcc=float(intersect.sum() / label.sum()), mIoU=mean_iou, predicted_pixels=predicted.tolist())


def main():
    args = parse_args()
    torch.set_num_threads(args.threads)
    backbone_and_head.Attention.fused = not args.naive_attention
    segmentor = build(args)
    if args.make_backbone or args.make_head:
        return make_weights(segmentor, args)
    logging.disable(logging.INFO)
    load_weights(segmentor, args)
    dataset = open_dataset(args)
    results, total, seconds, crops = run(segmentor, dataset)
    report = dict(
        images=len(dataset),
        crops=crops,
        images_per_s=len(dataset) / total,
        crops_per_s=crops / total,
        seconds=seconds,
        **metrics(results),
        torch=torch.__version__,
        threads=args.threads,
        attention="naive" if args.naive_attention else "fused",
    )
    print(json.dumps(report))


if __name__ == "__main__":
    main()
