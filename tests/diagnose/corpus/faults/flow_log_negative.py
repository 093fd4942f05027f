import torch
from torch import nn
torch.manual_seed(0)
scale = nn.Parameter(torch.tensor([0.5, -0.2, 1.0]))
shift = nn.Parameter(torch.zeros(3))
opt = torch.optim.Adam([scale, shift], 1e-2)
for _ in range(5):
    x = torch.randn(32, 3)
    z = x * scale + shift
    loss = 0.5 * z.pow(2).sum(1).mean() - torch.log(scale).sum()  # FAULT non-finite
    # MENDED loss = 0.5 * z.pow(2).sum(1).mean() - torch.log(scale.abs()).sum()
    opt.zero_grad(); loss.backward(); opt.step()
