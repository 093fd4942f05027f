import torch
from torch import nn
torch.manual_seed(0)
m = nn.Linear(2, 1)
opt = torch.optim.SGD(m.parameters(), lr=0.01)  # FAULT divergence
# MENDED opt = torch.optim.SGD(m.parameters(), lr=1e-8)
x = torch.rand(30, 2) * 1000; y = x.sum(1, keepdim=True)
for i in range(60):
    loss = nn.functional.mse_loss(m(x), y)
    opt.zero_grad(); loss.backward(); opt.step()
