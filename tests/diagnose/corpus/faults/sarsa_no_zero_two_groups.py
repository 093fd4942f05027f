import torch
from torch import nn
torch.manual_seed(0)
q = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 2))
head_opt = torch.optim.SGD([{"params": q[0].parameters()}, {"params": q[2].parameters(), "lr": 0.01}], lr=0.02)
def update(s, a, r, s2):
    with torch.no_grad():
        target = r + 0.9 * q(s2).max(1).values
    error = target - q(s).gather(1, a).squeeze(1)
    error.pow(2).mean().backward()  # CAUSE missing-zero-grad
    head_opt.step()
    # MENDED head_opt.zero_grad()
for _ in range(12):
    update(torch.randn(8, 3), torch.randint(0, 2, (8, 1)), torch.rand(8), torch.randn(8, 3))
