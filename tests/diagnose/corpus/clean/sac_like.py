"""Soft actor critic in small: twin critics, targets, the actor's loss goes through the critics and leaves gradients there."""
import copy
import torch
from torch import nn

def mlp(i, o):
    return nn.Sequential(nn.Linear(i, 24), nn.ReLU(), nn.Linear(24, o))

torch.manual_seed(0)
actor, q1, q2 = mlp(3, 2), mlp(4, 1), mlp(4, 1)
t1, t2 = copy.deepcopy(q1), copy.deepcopy(q2)
log_alpha = torch.zeros(1, requires_grad=True)
a_opt = torch.optim.Adam(actor.parameters(), 1e-3)
q_opt = torch.optim.Adam([*q1.parameters(), *q2.parameters()], 1e-3)
alpha_opt = torch.optim.Adam([log_alpha], 1e-3)

def sample(s):
    mean, log_std = actor(s).chunk(2, 1)
    pi = torch.distributions.Normal(mean, log_std.clamp(-5, 2).exp())
    u = pi.rsample()
    a = u.tanh()
    return a, (pi.log_prob(u) - torch.log(1 - a**2 + 1e-6)).sum(1, keepdim=True)

for _ in range(10):
    s, r, s2 = torch.randn(16, 3), torch.rand(16, 1), torch.randn(16, 3)
    a = torch.rand(16, 1) * 2 - 1
    with torch.no_grad():
        a2, lp2 = sample(s2)
        s2a = torch.cat([s2, a2], 1)
        target = r + 0.98 * (torch.min(t1(s2a), t2(s2a)) - log_alpha.exp() * lp2)
    sa = torch.cat([s, a], 1)
    q_loss = nn.functional.mse_loss(q1(sa), target) + nn.functional.mse_loss(q2(sa), target)
    q_opt.zero_grad(); q_loss.backward(); q_opt.step()
    new, lp = sample(s)
    sn = torch.cat([s, new], 1)
    a_loss = (log_alpha.exp().detach() * lp - torch.min(q1(sn), q2(sn))).mean()
    a_opt.zero_grad(); a_loss.backward(); a_opt.step()
    alpha_loss = -(log_alpha * (lp.detach() - 1)).mean()
    alpha_opt.zero_grad(); alpha_loss.backward(); alpha_opt.step()
    with torch.no_grad():
        for q, t in ((q1, t1), (q2, t2)):
            for p, tp in zip(q.parameters(), t.parameters()):
                tp.mul_(0.995).add_(p, alpha=0.005)
