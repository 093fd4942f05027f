import torch
from torch import nn
torch.manual_seed(0)
m = nn.Linear(4, 1); opt = torch.optim.SGD(m.parameters(), lr=0.05)
x, y = torch.randn(12, 4), torch.randn(12, 1)
for i in range(6):
    opt.zero_grad()  # CAUSE zeroed-before-step
    loss = nn.functional.mse_loss(m(x), y)
    opt.step()  # FAULT
    loss.backward()
    # MENDED opt.step()
