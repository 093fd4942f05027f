"""A mixture density network: log of a sum of exps that underflows."""
import math
import torch
from torch import nn

class MDN(nn.Module):
    def __init__(self, k=3):
        super().__init__()
        self.hidden = nn.Linear(1, 16)
        self.pi, self.mu, self.sigma = nn.Linear(16, k), nn.Linear(16, k), nn.Linear(16, k)

    def forward(self, x):
        h = torch.tanh(self.hidden(x))
        return self.pi(h).softmax(-1), self.mu(h), self.sigma(h).exp()

def nll(pi, mu, sigma, y):
    density = pi * torch.exp(-0.5 * ((y - mu) / sigma) ** 2) / (sigma * math.sqrt(2 * math.pi))
    return -torch.log(density.sum(1)).mean()  # FAULT non-finite
    # MENDED return -torch.log(density.sum(1) + 1e-8).mean()

torch.manual_seed(0)
net = MDN()
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
for step in range(6):
    x = torch.rand(16, 1)
    y = 40 * x
    loss = nll(*net(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
