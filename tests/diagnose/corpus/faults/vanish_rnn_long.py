import torch
from torch import nn
torch.manual_seed(0)
W = (0.2 * torch.randn(8, 8)).requires_grad_(); U = torch.randn(3, 8, requires_grad=True)
V = torch.randn(8, 1, requires_grad=True)
opt = torch.optim.SGD([W, U, V], lr=0.01)
x, y = torch.randn(40, 4, 3), torch.randn(4, 1)
for it in range(4):
    h = torch.zeros(4, 8)
    for t in range(40):
        if t < 1:
            h = torch.tanh(x[t] @ U)
        h = torch.sigmoid(h @ W)  # FAULT gradient-scale
        # MENDED h = h + 0.01 * torch.tanh(h @ W)
    loss = (h @ V - y).pow(2).mean()
    opt.zero_grad(); loss.backward(); opt.step()
