import torch
from torch import nn
torch.manual_seed(0)
ac = nn.Sequential(nn.Linear(4, 16), nn.Tanh()); pi, vf = nn.Linear(16, 2), nn.Linear(16, 1)
opt = torch.optim.Adam([*ac.parameters(), *pi.parameters(), *vf.parameters()], lr=3e-3)
for it in range(3):
    obs = torch.randn(20, 4)
    with torch.no_grad():
        d = torch.distributions.Categorical(logits=pi(ac(obs))); act = d.sample(); old = d.log_prob(act)
        adv = torch.randn(20); ret = vf(ac(obs)).squeeze(-1) + adv
    for epoch in range(3):
        h = ac(obs); d = torch.distributions.Categorical(logits=pi(h))
        ratio = (d.log_prob(act) - old).exp()
        pg = -torch.min(ratio * adv, ratio.clamp(.8, 1.2) * adv).mean()
        loss = pg + .5 * (vf(h).squeeze(-1) - ret).pow(2).mean() - .01 * d.entropy().mean()
        opt.zero_grad(); loss.backward(); nn.utils.clip_grad_norm_(pi.parameters(), .5); opt.step()
