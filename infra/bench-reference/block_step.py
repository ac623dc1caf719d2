"""Seconds and peak memory of one training step of ONE transformer block: forward without keeping activations, recomputation and
backward (gradients of the input and of every parameter), AdamW. The default sizes are InternViT-6B's at 504 px, one crop, float32."""
import argparse, json, resource, time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
for name, default in dict(embed=3200, heads=25, mlp=12800, tokens=1297, batch=1, steps=3, threads=2).items():
    parser.add_argument(f"--{name}", type=int, default=default)
parser.add_argument("--naive-attention", action="store_true", help="as the original without flash-attn; default is torch's fused attention")
parser.add_argument("--no-checkpoint", action="store_true", help="keep the activations instead of computing them again")
args = parser.parse_args()

import contextlib, io
import torch
from torch.utils.checkpoint import checkpoint
with contextlib.redirect_stdout(io.StringIO()):
    from model import Attention, Block

torch.set_num_threads(args.threads)
Attention.fused = not args.naive_attention
torch.manual_seed(0)
rss = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024   # MiB, largest so far
block = Block(args.embed, args.heads, args.mlp)
groups = [dict(params=[p for p in block.parameters() if p.ndim > 1], weight_decay=0.05), dict(params=[p for p in block.parameters() if p.ndim == 1], weight_decay=0.0)]
optimizer = torch.optim.AdamW(groups, lr=4e-5)
x = torch.randn(args.batch, args.tokens, args.embed, requires_grad=True)
upstream = torch.randn(args.batch, args.tokens, args.embed) * 1e-3
rows = []
for _ in range(args.steps):
    c0, t0 = time.process_time(), time.perf_counter()
    y = block(x) if args.no_checkpoint else checkpoint(block, x, use_reentrant=True)
    t1 = time.perf_counter()
    optimizer.zero_grad(); x.grad = None
    y.backward(upstream)
    t2 = time.perf_counter()
    optimizer.step()
    t3 = time.perf_counter()
    rows.append((t1 - t0, t2 - t1, t3 - t2, t3 - t0, time.process_time() - c0))
best = min(rows, key=lambda r: r[3])
print(json.dumps(dict(
    seconds=[row[3] for row in rows], cpu_seconds=[row[4] for row in rows],
    parts=[dict(forward=row[0], backward=row[1], optimizer=row[2]) for row in rows],
    parameters=sum(p.numel() for p in block.parameters()), peak_bytes=round(rss() * 2**20),
    attention="naive" if args.naive_attention else "fused", checkpoint=not args.no_checkpoint,
    torch=torch.__version__, threads=args.threads)))
