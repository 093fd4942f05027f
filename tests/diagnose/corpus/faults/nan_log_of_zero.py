"""log of a relu: -Inf where it is 0."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 4)
opt = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(8, 4)
for i in range(3):
    p = torch.relu(model(x))
    loss = -torch.log(p).mean()  # FAULT non-finite
    # MENDED loss = -torch.log(p + 1e-6).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
