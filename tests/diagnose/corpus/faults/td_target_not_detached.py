"""The bootstrapped target is differentiated as well."""

import torch
from torch import nn

torch.manual_seed(0)
q = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
opt = torch.optim.Adam(q.parameters(), lr=1e-3)
for step in range(5):
    state, following = torch.randn(8, 4), torch.randn(8, 4)
    action, reward = torch.randint(0, 2, (8, 1)), torch.randn(8, 1)
    value = q(state).gather(1, action)
    target = reward + 0.9 * q(following).max(1, keepdim=True).values  # FAULT target-not-detached
    # MENDED target = reward + 0.9 * q(following).max(1, keepdim=True).values.detach()
    loss = nn.functional.mse_loss(value, target)
    opt.zero_grad()
    loss.backward()
    opt.step()
