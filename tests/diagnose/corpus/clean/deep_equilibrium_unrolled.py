import torch
from torch import nn
torch.manual_seed(0)
f = nn.Linear(4, 4); inj = nn.Linear(3, 4); out = nn.Linear(4, 1)
with torch.no_grad(): f.weight.mul_(.3)
opt = torch.optim.Adam([*f.parameters(), *inj.parameters(), *out.parameters()], 1e-2)
x, y = torch.randn(10, 3), torch.randn(10, 1)
for i in range(4):
    with torch.no_grad():
        z = torch.zeros(10, 4)
        for _ in range(15): z = torch.tanh(f(z) + inj(x))
    z = torch.tanh(f(z) + inj(x))
    loss = nn.functional.mse_loss(out(z), y)
    opt.zero_grad(); loss.backward(); opt.step()
