"""kl_div takes the input first."""

import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)
model = nn.Linear(4, 3)
opt = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(10, 4)
goal = torch.softmax(torch.randn(10, 3), dim=1)
for step in range(3):
    logp = F.log_softmax(model(x), dim=1)
    loss = F.kl_div(goal, logp, reduction="batchmean")  # FAULT loss-arguments-swapped
    # MENDED loss = F.kl_div(logp, goal, reduction="batchmean")
    opt.zero_grad()
    loss.backward()
    opt.step()
