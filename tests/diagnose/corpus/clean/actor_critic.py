"""Policy gradient with a baseline: log-probabilities are kept and stacked, rewards are not differentiated."""

import torch
from torch import nn
from torch.distributions import Categorical

torch.manual_seed(0)
policy, value = nn.Linear(3, 2), nn.Linear(3, 1)
opt = torch.optim.Adam([*policy.parameters(), *value.parameters()], lr=1e-2)
for episode in range(3):
    log_probs, values, rewards = [], [], []
    state = torch.randn(3)
    for t in range(6):
        action = Categorical(logits=policy(state))
        a = action.sample()
        log_probs.append(action.log_prob(a))
        values.append(value(state).squeeze(0))
        rewards.append(float(a.item() == (state.sum() > 0).item()))
        state = torch.randn(3)
    returns = torch.tensor(rewards).flip(0).cumsum(0).flip(0)
    values = torch.stack(values)
    advantage = (returns - values).detach()
    loss = -(torch.stack(log_probs) * advantage).mean() + (values - returns).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
