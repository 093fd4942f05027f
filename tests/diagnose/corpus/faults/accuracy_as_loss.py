"""argmax cuts the graph."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Linear(4, 3)
opt = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.randn(12, 4), torch.randint(0, 3, (12,))
for i in range(3):
    logits = model(x)
    guess = logits.argmax(1)  # FAULT no-gradient
    loss = (guess != y).float().mean()  # FAULT
    # MENDED loss = nn.functional.cross_entropy(logits, y)
    opt.zero_grad()
    loss.backward()
    opt.step()
