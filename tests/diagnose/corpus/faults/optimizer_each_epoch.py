import torch, torch.nn as nn
torch.manual_seed(0)
m = nn.Linear(4, 1)
x = torch.randn(32, 4); y = x.sum(1, keepdim=True)
def fit(x, y):
    opt = torch.optim.SGD(m.parameters(), lr=.01, momentum=.9)  # FAULT optimizer-recreated
    opt.zero_grad()
    loss = nn.functional.mse_loss(m(x), y)
    loss.backward()
    opt.step()
# MENDED opt = torch.optim.SGD(m.parameters(), lr=.01, momentum=.9)
# MENDED def fit(x, y):
# MENDED     opt.zero_grad()
# MENDED     nn.functional.mse_loss(m(x), y).backward()
# MENDED     opt.step()
for i in range(5):
    fit(x, y)
