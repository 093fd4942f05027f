import torch
from torch import nn
torch.manual_seed(0)
pi, v = nn.Linear(3, 2), nn.Linear(3, 1)
op, ov = torch.optim.RMSprop(pi.parameters(), 1e-2), torch.optim.RMSprop(v.parameters(), 1e-2)
for it in range(6):
    s, r = torch.randn(8, 3), torch.randn(8)
    d = torch.distributions.Categorical(logits=pi(s)); a = d.sample()
    val = v(s).squeeze(-1); adv = r - val.detach()
    lp = -(d.log_prob(a) * adv).mean(); lv = (val - r).pow(2).mean()
    op.zero_grad(); lp.backward(); op.step()
    ov.zero_grad(); lv.backward(); ov.step()
