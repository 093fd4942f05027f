"""A predictor learns from a detached branch of the same network."""

import torch
from torch import nn

torch.manual_seed(0)
encoder, predictor = nn.Sequential(nn.Linear(6, 12), nn.BatchNorm1d(12), nn.ReLU()), nn.Linear(12, 12)
opt = torch.optim.SGD([*encoder.parameters(), *predictor.parameters()], lr=0.05)
base = torch.randn(16, 6)
for step in range(5):
    one, other = encoder(base + 0.1 * torch.randn(16, 6)), encoder(base + 0.1 * torch.randn(16, 6))
    loss = -nn.functional.cosine_similarity(predictor(one), other.detach()).mean()
    loss = loss - nn.functional.cosine_similarity(predictor(other), one.detach()).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
