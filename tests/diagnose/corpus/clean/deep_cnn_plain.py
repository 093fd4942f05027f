import torch
from torch import nn
torch.manual_seed(0)
layers, c = [], 1
for i in range(10):
    layers += [nn.Conv2d(c, 8, 3, padding=1), nn.ReLU()]; c = 8
net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3))
opt = torch.optim.Adam(net.parameters(), 1e-3)
x, y = torch.randn(6, 1, 8, 8), torch.randint(0, 3, (6,))
for i in range(5):
    loss = nn.functional.cross_entropy(net(x), y); opt.zero_grad(); loss.backward(); opt.step()
