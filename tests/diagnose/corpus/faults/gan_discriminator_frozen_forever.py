"""requires_grad is switched off for the generator's turn and never on again."""
import torch
from torch import nn

torch.manual_seed(0)
gen = nn.Sequential(nn.Linear(3, 12), nn.ReLU(), nn.Linear(12, 2))
dis = nn.Sequential(nn.Linear(2, 12), nn.ReLU(), nn.Linear(12, 1))
g_opt, d_opt = torch.optim.Adam(gen.parameters(), 1e-3), torch.optim.Adam(dis.parameters(), 1e-3)
soft = nn.functional.softplus
for _ in range(8):
    # MENDED dis.requires_grad_(True)
    d_loss = soft(-dis(torch.randn(8, 2) + 1)).mean() + soft(dis(gen(torch.randn(8, 3)).detach())).mean()
    d_opt.zero_grad()
    d_loss.backward()
    d_opt.step()
    dis.requires_grad_(False)  # CAUSE no-gradient
    g_loss = soft(-dis(gen(torch.randn(8, 3)))).mean()
    g_opt.zero_grad()
    g_loss.backward()
    g_opt.step()
