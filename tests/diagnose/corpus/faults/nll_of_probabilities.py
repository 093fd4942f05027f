"""nll_loss takes log-probabilities."""

import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
model = nn.Linear(5, 3)
opt = torch.optim.SGD(model.parameters(), lr=0.2)
x, y = torch.randn(20, 5), torch.randint(0, 3, (20,))
for i in range(4):
    opt.zero_grad()
    p = F.softmax(model(x), dim=-1)  # FAULT activation-before-loss
    # MENDED p = F.log_softmax(model(x), dim=-1)
    loss = F.nll_loss(p, y)
    loss.backward()
    opt.step()
