"""Dies inside torch, below a module of the user's, after the same mistake was caught once."""

import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 4), nn.ReLU())

    def forward(self, x):
        return self.body(x)


net = Net()
try:
    net(torch.ones(2, 5))
except RuntimeError as error:
    print(type(error).__name__, error)
x = torch.ones(2, 3, requires_grad=True)
y = (net(x) @ torch.ones(4)).sum()
y.backward()
try:
    y.backward()
except RuntimeError as error:
    print(type(error).__name__, str(error).splitlines()[0])
net(torch.ones(2, 5))
