import torch
from torch import nn
torch.manual_seed(0)
m = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1)); opt = torch.optim.SGD(m.parameters(), lr=.05)
acts, norms = {}, []
m[0].register_forward_hook(lambda mod, i, o: acts.__setitem__("h", o.detach()))
for p in m.parameters():
    p.register_hook(lambda g: g.clamp(-1, 1))
x, y = torch.randn(16, 4), torch.randn(16, 1)
for i in range(6):
    loss = (m(x) - y).abs().mean()
    opt.zero_grad(); loss.backward()
    norms.append(sum(p.grad.norm() ** 2 for p in m.parameters()) ** .5)
    opt.step()
print(torch.stack(norms).mean(), acts["h"].mean())
