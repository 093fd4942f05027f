import torch
from torch import nn
torch.manual_seed(0)
m = nn.Linear(3, 1); opt = torch.optim.SGD(m.parameters(), lr=0.01)
total = 0.
for i in range(6):
    x = torch.randn(4, 3)
    loss = m(x).pow(2).mean()
    total = total + loss  # CAUSE graph-across-iterations
    opt.zero_grad()
    total.backward(retain_graph=True)  # FAULT
    # MENDED loss.backward()
    # MENDED total = total.detach()
    opt.step()
