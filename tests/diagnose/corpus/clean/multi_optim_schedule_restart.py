import torch
from torch import nn
torch.manual_seed(0)
m = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
o1 = torch.optim.Adam(m[0].parameters(), 1e-2); o2 = torch.optim.SGD(m[2].parameters(), .05, momentum=.9)
s = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(o2, 5)
x, y = torch.randn(16, 4), torch.randn(16, 1)
for i in range(12):
    o1.zero_grad(); o2.zero_grad()
    nn.functional.huber_loss(m(x), y).backward()
    o1.step(); o2.step(); s.step()
