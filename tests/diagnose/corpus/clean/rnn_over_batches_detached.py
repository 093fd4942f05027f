"""The state goes from batch to batch, detached."""

import torch
from torch import nn

torch.manual_seed(0)
rnn, head = nn.LSTM(2, 6, batch_first=True), nn.Linear(6, 2)
opt = torch.optim.Adam([*rnn.parameters(), *head.parameters()], lr=1e-2)
state = None
for batch in range(6):
    x = torch.randn(3, 5, 2)
    out, state = rnn(x, state)
    state = tuple(s.detach() for s in state)
    loss = nn.functional.mse_loss(head(out), x.roll(-1, 1))
    opt.zero_grad()
    loss.backward()
    opt.step()
