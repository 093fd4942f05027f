import torch, torch.nn as nn
torch.manual_seed(0)
pi = nn.Linear(4, 3); opt = torch.optim.Adam(pi.parameters(), lr=.01)
baseline = 0.0
for ep in range(5):
    logps, rs = [], []
    for t in range(5):
        d = torch.distributions.Categorical(logits=pi(torch.randn(4)))
        a = d.sample(); logps.append(d.log_prob(a)); rs.append(float(a == 1))
    R = sum(rs); baseline = .9 * baseline + .1 * R
    loss = -torch.stack(logps).sum() * (R - baseline)
    opt.zero_grad(); loss.backward(); opt.step()
