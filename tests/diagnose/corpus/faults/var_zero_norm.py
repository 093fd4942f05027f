import torch
from torch import nn
torch.manual_seed(0)
m = nn.Linear(3, 4); opt = torch.optim.SGD(m.parameters(), lr=0.1)
x = torch.randn(6, 3); x[2] = 0
m.bias.data.zero_()
for i in range(3):
    h = torch.relu(m(x))
    n = h / h.norm(dim=1, keepdim=True)  # FAULT non-finite
    # MENDED n = h / (h.norm(dim=1, keepdim=True) + 1e-6)
    loss = (n - 1).pow(2).mean()
    opt.zero_grad(); loss.backward(); opt.step()
