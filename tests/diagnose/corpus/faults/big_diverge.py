import torch
from torch import nn
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(100, 64), nn.ReLU(), nn.Linear(64, 1))
opt = torch.optim.SGD(model.parameters(), lr=1.0)  # FAULT divergence
# MENDED opt = torch.optim.SGD(model.parameters(), lr=1e-3)
x = torch.randn(32, 100); y = x.sum(1, keepdim=True)
for i in range(15):
    opt.zero_grad(); nn.functional.mse_loss(model(x), y).backward(); opt.step()
