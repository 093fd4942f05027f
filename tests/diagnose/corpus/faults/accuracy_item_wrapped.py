"""The loss is rebuilt with torch.tensor from Python numbers: nothing can learn."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def total(losses):
    return torch.tensor([loss.item() for loss in losses], requires_grad=True).mean()  # FAULT no-gradient
    # MENDED return torch.stack(losses).mean()


for _ in range(8):
    x = torch.randn(6, 4)
    y = x[:, :1] * 2
    losses = [nn.functional.mse_loss(model(x[i]), y[i]) for i in range(6)]
    loss = total(losses)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
