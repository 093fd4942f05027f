import copy, torch
from torch import nn
torch.manual_seed(0)
m = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2)); opt = torch.optim.SGD(m.parameters(), .05)
fisher, old = None, None
for task in range(2):
    x = torch.randn(20, 3); y = (x[:, task] > 0).long()
    for i in range(5):
        loss = nn.functional.cross_entropy(m(x), y)
        if fisher: loss = loss + 10 * sum((f * (p - o).pow(2)).sum() for f, p, o in zip(fisher, m.parameters(), old))
        opt.zero_grad(); loss.backward(); opt.step()
    m.zero_grad(); nn.functional.cross_entropy(m(x), y).backward()
    fisher = [p.grad.detach().pow(2) for p in m.parameters()]; old = [p.detach().clone() for p in m.parameters()]
    opt.zero_grad()
