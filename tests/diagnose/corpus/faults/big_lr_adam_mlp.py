import torch, torch.nn as nn
torch.manual_seed(0)
m = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1))
opt = torch.optim.SGD(m.parameters(), lr=5.0)  # FAULT divergence
# MENDED opt = torch.optim.SGD(m.parameters(), lr=0.01)
x = torch.randn(64, 8); y = x.pow(2).sum(1, keepdim=True)
for i in range(20):
    opt.zero_grad()
    loss = nn.functional.mse_loss(m(x), y)
    loss.backward()
    opt.step()
