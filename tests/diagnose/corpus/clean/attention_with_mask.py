"""A causal mask of -inf, on purpose."""

import torch
from torch import nn

torch.manual_seed(0)
embed, qkv, out = nn.Embedding(12, 8), nn.Linear(8, 24), nn.Linear(8, 12)
params = [*embed.parameters(), *qkv.parameters(), *out.parameters()]
opt = torch.optim.AdamW(params, lr=1e-2)
tokens = torch.randint(0, 12, (3, 6))
mask = torch.triu(torch.ones(5, 5, dtype=torch.bool), diagonal=1)
for step in range(4):
    h = embed(tokens[:, :-1])
    q, k, v = qkv(h).split(8, dim=-1)
    scores = (q @ k.transpose(1, 2)) / 8**0.5
    weights = torch.softmax(scores.masked_fill(mask, float("-inf")), dim=-1)
    logits = out(weights @ v)
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
    opt.zero_grad(set_to_none=True)
    loss.backward()
    opt.step()
