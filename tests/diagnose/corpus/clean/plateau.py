import torch
from torch import nn
torch.manual_seed(0)
m = nn.Linear(4, 1); opt = torch.optim.SGD(m.parameters(), lr=.5)
s = torch.optim.lr_scheduler.ReduceLROnPlateau(opt, patience=1, factor=.1)
x = torch.randn(30, 4); y = x.sum(1, keepdim=True) + .5 * torch.randn(30, 1)
for e in range(25):
    loss = nn.functional.mse_loss(m(x), y)
    opt.zero_grad(); loss.backward(); opt.step(); s.step(loss.item())
