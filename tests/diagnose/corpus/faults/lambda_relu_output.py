import torch
from torch import nn
torch.manual_seed(0)
enc = nn.Linear(6, 6)
w = torch.zeros(6, requires_grad=True)
opt = torch.optim.Adam([*enc.parameters(), w], lr=1e-2)
x = torch.randn(10, 6); y = torch.randn(10)
for i in range(5):
    h = enc(x)
    with torch.no_grad():  # FAULT
        h = torch.relu(h)  # FAULT detached-path
    # MENDED h = torch.relu(h)
    loss = ((h * w).sum(1) - y).pow(2).mean()
    opt.zero_grad(); loss.backward(); opt.step()
