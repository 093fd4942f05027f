import torch, torch.nn as nn, torch.nn.functional as F
torch.manual_seed(0)
m = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
opt = torch.optim.SGD(m.parameters(), lr=.1)
x, y = torch.randn(10, 4), torch.randint(0, 2, (10,))
for step in range(4):
    delta = torch.zeros_like(x, requires_grad=True)
    for _ in range(3):
        F.cross_entropy(m(x + delta), y).backward()
        delta.data = (delta + .05 * delta.grad.sign()).clamp(-.1, .1)
        delta.grad.zero_()
    opt.zero_grad()
    F.cross_entropy(m(x + delta.detach()), y).backward()
    opt.step()
