"""Each group has its own learning rate; one of them is zero for a while."""

import torch
from torch import nn

torch.manual_seed(0)
body, head = nn.Linear(4, 6), nn.Linear(6, 1)
opt = torch.optim.SGD(
    [{"params": body.parameters(), "lr": 1e-5}, {"params": head.parameters(), "lr": 0.1}],
    momentum=0.9,
    weight_decay=1e-4,
)
x, y = torch.randn(20, 4), torch.randn(20, 1)
for step in range(6):
    opt.param_groups[0]["lr"] = 0.0 if step < 3 else 1e-5
    loss = nn.functional.mse_loss(head(torch.tanh(body(x))), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
