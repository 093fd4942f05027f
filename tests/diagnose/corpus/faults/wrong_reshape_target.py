import torch, torch.nn as nn
torch.manual_seed(0)
m = nn.Linear(4, 1); opt = torch.optim.SGD(m.parameters(), lr=.1)
x = torch.randn(9, 4); y = torch.randn(9)
mae = lambda p, t: (p - t).abs().mean()  # FAULT loss-broadcast
# MENDED mae = lambda p, t: (p.view(-1) - t).abs().mean()
for i in range(4):
    opt.zero_grad(); mae(m(x), y).backward(); opt.step()
