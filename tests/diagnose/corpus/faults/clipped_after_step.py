"""Clipping follows the step."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.RNN(3, 5, batch_first=True)
opt = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.randn(4, 6, 3), torch.randn(4, 6, 5)
for step in range(4):
    loss = nn.functional.mse_loss(model(x)[0], y)
    opt.zero_grad()
    loss.backward()
    # MENDED nn.utils.clip_grad_norm_(model.parameters(), 0.1)
    opt.step()
    nn.utils.clip_grad_norm_(model.parameters(), 0.1)  # FAULT clip-misplaced
