import torch
from torch import nn
torch.manual_seed(0)
m = nn.Linear(3, 1); opt = torch.optim.SGD(m.parameters(), lr=0.1)
sch = torch.optim.lr_scheduler.MultiStepLR(opt, [2, 4, 6], gamma=0.01)
x = torch.randn(64, 3); y = x.sum(1, keepdim=True)
for epoch in range(8):
    for b in range(4):
        xb, yb = x[b * 16:(b + 1) * 16], y[b * 16:(b + 1) * 16]
        opt.zero_grad(); nn.functional.mse_loss(m(xb), yb).backward()
        opt.step()  # CAUSE learning-rate
        sch.step()  # FAULT
    # MENDED pass
