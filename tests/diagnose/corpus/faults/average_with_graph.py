"""An average of the weights is kept with grad mode on."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(3, 1)
opt = torch.optim.SGD(model.parameters(), lr=0.05)
x, y = torch.randn(16, 3), torch.randn(16, 1)
average = model.weight.detach().clone()
for step in range(8):
    loss = nn.functional.mse_loss(model(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    average = 0.9 * average + 0.1 * model.weight  # FAULT graph-kept-alive
    # MENDED average = 0.9 * average + 0.1 * model.weight.detach()
