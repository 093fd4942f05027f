"""Contrastive learning; a dead augmentation makes a zero row, and x / x.norm() has no slope there."""

import torch
from torch import nn

torch.manual_seed(0)
encoder = nn.Sequential(nn.Linear(8, 16, bias=False), nn.ReLU(), nn.Linear(16, 8, bias=False))
optimizer = torch.optim.SGD(encoder.parameters(), lr=0.05)


def augment(x):
    mask = torch.ones(x.shape[0], 1)
    mask[2] = 0
    return x * mask + 0.1 * torch.randn_like(x) * mask


def embed(x):
    h = encoder(x)
    return h / h.norm(dim=1, keepdim=True)  # FAULT non-finite
    # MENDED return nn.functional.normalize(h + 1e-6, dim=1)


def nt_xent(a, b, temperature=0.5):
    logits = a @ b.T / temperature
    return nn.functional.cross_entropy(logits, torch.arange(len(a)))


for _ in range(5):
    x = torch.randn(6, 8)
    loss = nt_xent(embed(augment(x)), embed(augment(x)))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
