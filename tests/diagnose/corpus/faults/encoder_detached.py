"""The encoder's output is detached inside the model; the optimizer holds the whole model."""

import torch
from torch import nn

torch.manual_seed(0)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(6, 8)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        h = torch.relu(self.encoder(x))
        return self.head(h.detach())  # FAULT detached-path
        # MENDED return self.head(h)


model = Model()
opt = torch.optim.Adam(model.parameters(), lr=1e-2)
x, y = torch.randn(16, 6), torch.randint(0, 2, (16,))
for step in range(5):
    loss = nn.functional.cross_entropy(model(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
