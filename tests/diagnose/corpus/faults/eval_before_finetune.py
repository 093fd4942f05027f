import torch
from torch import nn
torch.manual_seed(0)
net = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 2))
opt = torch.optim.SGD(net.parameters(), lr=0.01)
net.eval()  # FAULT evaluation-mode
x, y = torch.randn(8, 1, 6, 6), torch.randint(0, 2, (8,))
for i in range(4):
    opt.zero_grad(); nn.functional.cross_entropy(net(x), y).backward(); opt.step()
