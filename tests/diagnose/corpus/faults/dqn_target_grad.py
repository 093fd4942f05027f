"""A DQN whose target network is the online one, with its gradient."""

import torch
from torch import nn

torch.manual_seed(0)
q = nn.Sequential(nn.Linear(4, 24), nn.ReLU(), nn.Linear(24, 2))
optimizer = torch.optim.Adam(q.parameters(), lr=1e-3)
buffer = [(torch.randn(4), torch.randint(0, 2, ()), torch.rand(()), torch.randn(4)) for _ in range(64)]


def learn(batch, gamma=0.95):
    s, a, r, s2 = (torch.stack(part) for part in zip(*batch))
    value = q(s).gather(1, a[:, None]).squeeze(1)
    target = r + gamma * q(s2).max(1).values  # FAULT target-not-detached
    # MENDED target = r + gamma * q(s2).max(1).values.detach()
    loss = nn.functional.smooth_l1_loss(value, target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


for i in range(12):
    learn(buffer[i * 4 : i * 4 + 16])
