import torch
from torch import nn
torch.manual_seed(0)
m = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 1)); opt = torch.optim.SGD(m.parameters(), lr=0.05)
torch.set_grad_enabled(False)  # FAULT
x, y = torch.randn(12, 4), torch.randn(12, 1)
for i in range(3):
    out = m(x)  # CAUSE no-gradient
    loss = nn.functional.mse_loss(out, y)
    opt.zero_grad(); loss.backward(); opt.step()
