"""Two optimizers one after the other, as in pretraining and fine-tuning; each is new once."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.SiLU(), nn.Linear(8, 1))
x, y = torch.randn(16, 4), torch.randn(16, 1)
for rate in (1e-2, 1e-3):
    opt = torch.optim.Adam(model.parameters(), lr=rate)
    for step in range(4):
        opt.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        opt.step()
