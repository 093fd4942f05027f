"""The head is replaced when the optimizer has already been built."""

import torch
from torch import nn

torch.manual_seed(0)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Linear(5, 8)
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        return self.head(torch.relu(self.body(x)))


net = Net()
opt = torch.optim.Adam(net.parameters(), lr=1e-2)
net.head = nn.Linear(8, 3)  # CAUSE not-updated
# MENDED opt = torch.optim.Adam(net.parameters(), lr=1e-2)
x, y = torch.randn(20, 5), torch.randint(0, 3, (20,))
for step in range(6):
    loss = nn.functional.cross_entropy(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
