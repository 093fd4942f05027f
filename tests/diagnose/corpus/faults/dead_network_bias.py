"""Biases start at -10, so no unit of the hidden layer ever fires."""
import torch
from torch import nn

class Regressor(nn.Module):
    def __init__(self):
        super().__init__()
        self.l1 = nn.Linear(6, 16)
        self.l2 = nn.Linear(16, 1)
        nn.init.constant_(self.l1.bias, -10.0)  # FAULT dead-gradient
        # MENDED nn.init.constant_(self.l1.bias, 0.1)

    def forward(self, x):
        return self.l2(torch.relu(self.l1(x)))

torch.manual_seed(0)
net = Regressor()
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for i in range(15):
    x = torch.rand(24, 6)
    loss = nn.functional.mse_loss(net(x), x.sum(1, keepdim=True))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
