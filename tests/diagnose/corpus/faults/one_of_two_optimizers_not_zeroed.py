"""Two networks, two optimizers; only one of them is zeroed."""

import torch
from torch import nn

torch.manual_seed(0)
encoder, decoder = nn.Linear(6, 2), nn.Linear(2, 6)
first = torch.optim.SGD(encoder.parameters(), lr=0.05)
second = torch.optim.SGD(decoder.parameters(), lr=0.05)
x = torch.randn(32, 6)
for step in range(6):
    first.zero_grad()
    # MENDED second.zero_grad()
    loss = (decoder(encoder(x)) - x).pow(2).mean()
    loss.backward()  # CAUSE missing-zero-grad
    first.step()
    second.step()
