import torch, torch.nn as nn
torch.manual_seed(0)
a, b = nn.Linear(3, 1), nn.Linear(3, 1)
opt = torch.optim.SGD(list(a.parameters()) + list(b.parameters()), lr=.1)
x = torch.randn(10, 3); y = torch.randn(10, 1)
for _ in range(5):
    la = ((a(x) - y) ** 2).mean()
    lb = ((b(x) + y) ** 2).mean()
    loss = la + lb.item()  # FAULT detached-path
    # MENDED loss = la + lb
    opt.zero_grad()
    loss.backward()
    opt.step()
