import torch
from torch import nn
torch.manual_seed(0)
pi = nn.Linear(3, 2); log_alpha = torch.zeros(1, requires_grad=True)
op, oa = torch.optim.Adam(pi.parameters(), 1e-2), torch.optim.Adam([log_alpha], 1e-2)
for i in range(6):
    lp = torch.log_softmax(pi(torch.randn(10, 3)), 1); p = lp.exp()
    ent = -(p * lp).sum(1)
    loss = -(log_alpha.exp().detach() * ent).mean() + (p[:, 0] - .7).pow(2).mean()
    op.zero_grad(); loss.backward(); op.step()
    la = (log_alpha * (ent.detach() - .5)).mean()
    oa.zero_grad(); la.backward(); oa.step()
