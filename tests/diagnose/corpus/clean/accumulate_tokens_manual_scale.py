"""Micro-batches of unequal size: the summed loss, gradients divided by the number of tokens once at the end."""
import torch
from torch import nn

torch.manual_seed(0)
emb, out = nn.Embedding(16, 8), nn.Linear(8, 16)
params = [*emb.parameters(), *out.parameters()]
opt = torch.optim.AdamW(params, lr=3e-3, fused=False, foreach=False)
for step in range(6):
    tokens = 0
    for size in (3, 5, 2):
        x = torch.randint(0, 16, (size, 4))
        nn.functional.cross_entropy(out(emb(x)).flatten(0, 1), x.roll(1, 1).flatten(), reduction="sum").backward()
        tokens += x.numel()
    for p in params:
        p.grad.div_(tokens)
    torch.nn.utils.clip_grad_value_(params, 1.0)
    opt.step()
    opt.zero_grad(set_to_none=False)
