"""Two optimizers, one model each; the second's gradients are never cleared, in a multi-stage training function."""

import torch
from torch import nn

torch.manual_seed(0)
encoder = nn.Sequential(nn.Linear(10, 6), nn.ReLU())
decoder = nn.Linear(6, 10)
optimizers = [torch.optim.SGD(encoder.parameters(), 0.05), torch.optim.SGD(decoder.parameters(), 0.05)]


def step(x):
    loss = (decoder(encoder(x)) - x).abs().mean()
    optimizers[0].zero_grad()
    # MENDED optimizers[1].zero_grad()
    loss.backward()  # CAUSE missing-zero-grad
    for optimizer in optimizers:
        optimizer.step() 
    return loss.detach()


history = torch.stack([step(torch.randn(16, 10)) for _ in range(12)])
