import torch, torch.nn as nn
class AE(nn.Module):
    def __init__(s):
        super().__init__()
        s.enc = nn.Sequential(nn.Linear(8, 4), nn.ReLU())
        s.dec = nn.Linear(4, 8)
    def forward(s, x):
        z = s.enc(x)
        z = z.data  # FAULT detached-path
        return s.dec(z)
torch.manual_seed(0)
net = AE()
opt = torch.optim.Adam(net.parameters(), 1e-3)
x = torch.randn(16, 8)
for _ in range(5):
    opt.zero_grad()
    loss = nn.functional.mse_loss(net(x), x)
    loss.backward()
    opt.step()
