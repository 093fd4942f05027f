"""The forward pass runs under no_grad."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(3, 2)
opt = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.randn(10, 3), torch.randint(0, 2, (10,))
for i in range(3):
    with torch.no_grad():  # FAULT
    # MENDED if True:
        logits = model(x)  # CAUSE no-gradient
    loss = nn.functional.cross_entropy(logits, y)
    opt.zero_grad()
    loss.backward()
    opt.step()
