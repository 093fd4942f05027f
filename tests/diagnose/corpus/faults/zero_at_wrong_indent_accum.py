import torch
from torch import nn
torch.manual_seed(0)
m = nn.Linear(4, 1); opt = torch.optim.SGD(m.parameters(), lr=0.05)
for step in range(6):
    for micro in range(4):
        opt.zero_grad()  # FAULT zeroed-before-step
        x = torch.randn(5, 4)
        (m(x).pow(2).mean() / 4).backward()
    opt.step()
    # MENDED opt.zero_grad()
