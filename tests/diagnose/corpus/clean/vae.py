"""Reparametrised samples, a sum for a loss."""

import torch
from torch import nn

torch.manual_seed(0)
encoder, decoder = nn.Linear(6, 4), nn.Linear(2, 6)
opt = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-2)
x = torch.rand(12, 6)
for step in range(5):
    mean, log_var = encoder(x).chunk(2, dim=1)
    z = mean + torch.randn_like(mean) * (0.5 * log_var).exp()
    rebuilt = torch.sigmoid(decoder(z))
    loss = nn.functional.binary_cross_entropy(rebuilt, x, reduction="sum")
    loss = loss - 0.5 * (1 + log_var - mean.pow(2) - log_var.exp()).sum()
    opt.zero_grad()
    loss.backward()
    opt.step()
