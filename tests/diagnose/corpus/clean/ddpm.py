import torch, torch.nn as nn
torch.manual_seed(0)
net = nn.Sequential(nn.Linear(3, 16), nn.SiLU(), nn.Linear(16, 2))
opt = torch.optim.Adam(net.parameters(), lr=1e-3)
beta = torch.linspace(1e-4, .02, 20); ab = torch.cumprod(1 - beta, 0)
ema = [p.detach().clone() for p in net.parameters()]
for i in range(5):
    x0 = torch.randn(16, 2); t = torch.randint(0, 20, (16,)); eps = torch.randn(16, 2)
    xt = ab[t].sqrt()[:, None] * x0 + (1 - ab[t]).sqrt()[:, None] * eps
    loss = (net(torch.cat([xt, t[:, None] / 20], 1)) - eps).pow(2).mean()
    opt.zero_grad(); loss.backward(); opt.step()
    with torch.no_grad():
        for e, p in zip(ema, net.parameters()):
            e.mul_(.99).add_(p, alpha=.01)
