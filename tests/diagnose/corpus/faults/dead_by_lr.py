import torch, torch.nn as nn
torch.manual_seed(0)
m = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
with torch.no_grad():
    m[2].bias.fill_(0.1)
    m[0].weight.abs_().neg_()  # FAULT
    m[0].bias.fill_(-0.1)  # FAULT dead-gradient
opt = torch.optim.SGD(m.parameters(), lr=.01)
x = torch.rand(20, 4); y = torch.randn(20, 1)
for i in range(6):
    opt.zero_grad()
    loss = nn.functional.mse_loss(m(x), y)
    loss.backward()
    opt.step()
