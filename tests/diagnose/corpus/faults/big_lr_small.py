import torch
from torch import nn
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(100, 64), nn.ReLU(), nn.Linear(64, 10))
opt = torch.optim.SGD(model.parameters(), lr=1e-8, momentum=0.9)  # FAULT learning-rate
# MENDED opt = torch.optim.SGD(model.parameters(), lr=1e-2, momentum=0.9)
x, y = torch.randn(32, 100), torch.randint(0, 10, (32,))
for i in range(15):
    opt.zero_grad(); nn.functional.cross_entropy(model(x), y).backward(); opt.step()
