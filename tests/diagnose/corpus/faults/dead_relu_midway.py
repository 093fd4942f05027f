import torch
from torch import nn
torch.manual_seed(1)
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
opt = torch.optim.SGD(model.parameters(), lr=2.0)  # FAULT divergence
# MENDED opt = torch.optim.SGD(model.parameters(), lr=0.01)
x = torch.rand(32, 4); y = torch.rand(32, 1) + 3
for i in range(20):
    loss = nn.functional.mse_loss(model(x), y)
    opt.zero_grad(); loss.backward(); opt.step()
