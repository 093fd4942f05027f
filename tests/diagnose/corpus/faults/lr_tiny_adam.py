import torch, torch.nn as nn
torch.manual_seed(0)
m = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1))
LR = 1e-10
opt = torch.optim.Adam(m.parameters(), lr=LR)  # FAULT learning-rate
# MENDED opt = torch.optim.Adam(m.parameters(), lr=1e-3)
x = torch.randn(64, 8); y = x.sum(1, keepdim=True)
for i in range(20):
    opt.zero_grad()
    loss = nn.functional.mse_loss(m(x), y)
    loss.backward()
    opt.step()
