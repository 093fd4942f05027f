"""REINFORCE with a learned baseline: values [N, 1] against returns [N]."""

import torch
from torch import nn
from torch.distributions import Categorical

torch.manual_seed(0)
policy = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2))
critic = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1))
pi_opt = torch.optim.Adam(policy.parameters(), lr=3e-3)
v_opt = torch.optim.Adam(critic.parameters(), lr=3e-3)

for episode in range(10):
    states = torch.randn(12, 4)
    pi = Categorical(logits=policy(states))
    actions = pi.sample()
    rewards = (actions == (states[:, 0] > 0).long()).float()
    returns = rewards.flip(0).cumsum(0).flip(0)
    values = critic(states)  # FAULT
    # MENDED values = critic(states).squeeze(-1)
    advantage = (returns - values).detach().flatten()[: len(returns)]
    pi_loss = -(pi.log_prob(actions) * advantage).mean()
    v_loss = ((returns - values) ** 2).mean()  # CAUSE loss-broadcast
    pi_opt.zero_grad()
    pi_loss.backward()
    pi_opt.step()
    v_opt.zero_grad()
    v_loss.backward()
    v_opt.step()
