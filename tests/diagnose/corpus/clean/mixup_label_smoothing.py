import torch
from torch import nn
torch.manual_seed(0)
m = nn.Sequential(nn.Linear(6, 16), nn.Mish(), nn.Linear(16, 4)); opt = torch.optim.AdamW(m.parameters(), lr=1e-2)
x, y = torch.randn(20, 6), torch.randint(0, 4, (20,))
for i in range(5):
    lam = torch.distributions.Beta(.4, .4).sample(); p = torch.randperm(20)
    out = m(lam * x + (1 - lam) * x[p])
    loss = lam * nn.functional.cross_entropy(out, y) + (1 - lam) * nn.functional.cross_entropy(out, y[p])
    opt.zero_grad(); loss.backward(); opt.step()
