"""Center loss: class centres are updated by an optimizer of their own, gradients rescaled by hand before its step."""
import torch
from torch import nn

torch.manual_seed(0)
net, fc = nn.Sequential(nn.Linear(6, 16), nn.PReLU(), nn.Linear(16, 2)), nn.Linear(2, 3)
centres = nn.Parameter(torch.randn(3, 2))
opt = torch.optim.SGD([*net.parameters(), *fc.parameters()], lr=0.05)
opt_c = torch.optim.SGD([centres], lr=0.5)
alpha = 0.01
for _ in range(15):
    x = torch.randn(20, 6)
    y = x[:, :3].argmax(1)
    f = net(x)
    loss = nn.functional.cross_entropy(fc(f), y) + alpha * (f - centres[y]).pow(2).sum(1).mean()
    opt.zero_grad()
    opt_c.zero_grad()
    loss.backward()
    opt.step()
    centres.grad.data *= 1 / alpha
    opt_c.step()
