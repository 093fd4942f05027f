import torch, torch.nn as nn
torch.manual_seed(0)
m = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 1))
crit = nn.SmoothL1Loss()
opt = torch.optim.Adam(m.parameters())
x = torch.randn(12, 4); y = torch.randn(12)
for i in range(4):
    opt.zero_grad()
    loss = crit(m(x), y)  # FAULT loss-broadcast
    # MENDED loss = crit(m(x), y.unsqueeze(1))
    loss.backward(); opt.step()
