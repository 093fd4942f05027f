"""Normalised by a norm that can be zero."""

import torch
from torch import nn

torch.manual_seed(0)
emb = nn.Embedding(4, 3, padding_idx=0)
opt = torch.optim.SGD(emb.parameters(), lr=0.1)
tokens = torch.tensor([0, 1, 2, 3])
for i in range(3):
    vectors = emb(tokens)
    total = vectors.abs().sum(1, keepdim=True)
    unit = vectors / total  # FAULT non-finite
    # MENDED unit = vectors / (total + 1e-8)
    loss = (unit @ unit.T).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
