"""The features are taken under no_grad; the optimizer holds the probe alone."""

import torch
from torch import nn

torch.manual_seed(0)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 8), nn.GELU())
        self.probe = nn.Linear(8, 3)

    def forward(self, x):
        with torch.no_grad():
            features = self.body(x)
        return self.probe(features)


net = Net()
opt = torch.optim.SGD(net.probe.parameters(), lr=0.1)
x, y = torch.randn(24, 6), torch.randint(0, 3, (24,))
for epoch in range(5):
    loss = nn.functional.cross_entropy(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
