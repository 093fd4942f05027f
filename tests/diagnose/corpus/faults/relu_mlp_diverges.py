import torch
from torch import nn
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
opt = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)  # FAULT divergence
# MENDED opt = torch.optim.SGD(model.parameters(), lr=0.005)
x = torch.randn(64, 10); y = (x ** 2).sum(1, keepdim=True)
for i in range(30):
    loss = nn.functional.mse_loss(model(x), y)
    opt.zero_grad(); loss.backward(); opt.step()
