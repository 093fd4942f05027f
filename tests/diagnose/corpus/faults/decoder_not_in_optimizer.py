"""Two modules, the optimizer gets the first one's parameters."""

import torch
from torch import nn

torch.manual_seed(0)
encoder = nn.Sequential(nn.Linear(6, 4), nn.ReLU())
decoder = nn.Sequential(nn.Linear(4, 6), nn.Sigmoid())
opt = torch.optim.Adam(encoder.parameters(), lr=1e-2)  # FAULT not-updated
# MENDED opt = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-2)
x = torch.rand(20, 6)
for step in range(6):
    code = encoder(x)
    rebuilt = decoder(code)
    loss = nn.functional.mse_loss(rebuilt, x)
    opt.zero_grad()
    loss.backward()
    opt.step()
