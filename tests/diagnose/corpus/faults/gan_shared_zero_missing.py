import torch
from torch import nn
torch.manual_seed(0)
G, D = nn.Linear(3, 2), nn.Sequential(nn.Linear(2, 4), nn.LeakyReLU(.2), nn.Linear(4, 1))
g_opt, d_opt = torch.optim.Adam(G.parameters(), 1e-3), torch.optim.Adam(D.parameters(), 1e-3)
loss_fn = nn.BCEWithLogitsLoss()
for it in range(6):
    z = torch.randn(6, 3)
    # MENDED d_opt.zero_grad()
    d = loss_fn(D(torch.randn(6, 2)), torch.ones(6, 1)) + loss_fn(D(G(z).detach()), torch.zeros(6, 1))
    d.backward()  # CAUSE missing-zero-grad
    d_opt.step()
    g_opt.zero_grad()
    g = loss_fn(D(G(z)), torch.ones(6, 1))
    g.backward()
    g_opt.step()
