"""Dreamer-like: a world model trained on one loss, a head on its detached features, each with its optimizer."""
import torch
from torch import nn

torch.manual_seed(0)
world = nn.GRU(3, 10, batch_first=True)
decode, reward = nn.Linear(10, 3), nn.Linear(10, 1)
w_opt = torch.optim.Adam([*world.parameters(), *decode.parameters()], 3e-3)
r_opt = torch.optim.Adam(reward.parameters(), 3e-3)
for _ in range(10):
    x = torch.randn(5, 6, 3)
    h, _ = world(x)
    w_loss = nn.functional.mse_loss(decode(h[:, :-1]), x[:, 1:])
    r_loss = nn.functional.mse_loss(reward(h.detach()), x.sum(-1, keepdim=True))
    w_opt.zero_grad()
    r_opt.zero_grad()
    w_loss.backward()
    r_loss.backward()
    w_opt.step()
    r_opt.step()
