import torch
from torch import nn
torch.manual_seed(0)
net = nn.Linear(4, 3); opt = torch.optim.Adam(net.parameters(), 1e-2)
for i in range(10):
    x = torch.randn(6, 4)
    loss = nn.functional.cross_entropy(net(x), torch.randint(0, 3, (6,))) if i % 2 else net(x).pow(2).mean()
    opt.zero_grad(); loss.backward(); opt.step()
