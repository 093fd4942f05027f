"""Fine-tuning with a small learning rate, warm-up first."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(6, 12), nn.GELU(), nn.Linear(12, 2))
opt = torch.optim.AdamW(model.parameters(), lr=2e-5)
warm = torch.optim.lr_scheduler.LambdaLR(opt, lambda step: min(1.0, (step + 1) / 5))
x, y = torch.randn(16, 6), torch.randint(0, 2, (16,))
for step in range(15):
    loss = nn.functional.cross_entropy(model(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    warm.step()
