import torch
from torch import nn
torch.manual_seed(0)
enc = nn.Sequential(nn.Linear(12, 6), nn.ReLU(), nn.Linear(6, 2)); dec = nn.Sequential(nn.Linear(2, 6), nn.ReLU(), nn.Linear(6, 12), nn.Sigmoid())
model = nn.Sequential(enc, dec); opt = torch.optim.Adam(model.parameters(), lr=5e-3)
x = torch.rand(20, 12); hist = []
for e in range(8):
    noisy = (x + .2 * torch.randn_like(x)).clamp(0, 1)
    loss = nn.BCELoss()(model(noisy), x)
    opt.zero_grad(); loss.backward(); opt.step()
    hist.append(loss.item())
with torch.no_grad():
    z = enc(x); rec = ((dec(z) - x) ** 2).mean()
