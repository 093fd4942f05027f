import torch, torch.nn as nn
torch.manual_seed(0)
m = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
for p in m.parameters():
    p.requires_grad = False  # FAULT
    # MENDED p.requires_grad = True
opt = torch.optim.SGD(m.parameters(), lr=.1)
x = torch.randn(5, 3)
loss = m(x).pow(2).mean()
loss.backward()  # CAUSE no-gradient
