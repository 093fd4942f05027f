"""The hidden layers lie in a Python list, so model.parameters() does not know them."""

import torch
from torch import nn

torch.manual_seed(0)


class Deep(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = [nn.Linear(6, 6) for _ in range(2)]  # FAULT not-updated
        # MENDED self.hidden = nn.ModuleList([nn.Linear(6, 6) for _ in range(2)])
        self.out = nn.Linear(6, 1)

    def forward(self, x):
        for layer in self.hidden:
            x = torch.tanh(layer(x))
        return self.out(x)


model = Deep()
opt = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.randn(12, 6), torch.randn(12, 1)
for step in range(6):
    loss = nn.functional.mse_loss(model(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
