import torch
from torch import nn
torch.manual_seed(0)
for lam in (0., .1, 1.):
    m = nn.Linear(5, 1); opt = torch.optim.SGD(m.parameters(), .05)
    x, y = torch.randn(20, 5), torch.randn(20, 1)
    for i in range(5):
        loss = nn.functional.mse_loss(m(x), y) + lam * m.weight.abs().sum()
        loss.backward(); opt.step(); opt.zero_grad()
