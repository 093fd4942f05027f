import math, torch
from torch import nn
torch.manual_seed(0)
nets = nn.ModuleList([nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 2)) for _ in range(2)])
opt = torch.optim.Adam(nets.parameters(), 1e-2)
x = torch.randn(30, 2) * torch.tensor([1., .3]) + 1
for i in range(6):
    z, ld = x, 0
    for k, n in enumerate(nets):
        a, b = z[:, k:k + 1], z[:, 1 - k:2 - k]
        s, t = n(a).chunk(2, 1); s = torch.tanh(s)
        b = b * s.exp() + t; ld = ld + s.squeeze(1)
        z = torch.cat([a, b], 1) if k == 0 else torch.cat([b, a], 1)
    loss = (.5 * z.pow(2).sum(1) + math.log(2 * math.pi) - ld).mean()
    opt.zero_grad(); loss.backward(); opt.step()
