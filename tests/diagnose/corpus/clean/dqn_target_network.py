"""Q-learning with a target network that is copied now and then, targets under no_grad."""

import copy

import torch
from torch import nn

torch.manual_seed(0)
q = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
target = copy.deepcopy(q)
opt = torch.optim.Adam(q.parameters(), lr=1e-3)
for step in range(8):
    state, action = torch.randn(10, 4), torch.randint(0, 2, (10, 1))
    reward, following = torch.randn(10, 1), torch.randn(10, 4)
    with torch.no_grad():
        goal = reward + 0.9 * target(following).max(1, keepdim=True).values
    value = q(state).gather(1, action)
    loss = nn.functional.smooth_l1_loss(value, goal)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 4 == 3:
        target.load_state_dict(q.state_dict())
