import torch
from torch import nn
torch.manual_seed(0)
trunk = nn.Sequential(nn.Linear(6, 12), nn.ReLU())
head, probe = nn.Linear(12, 2), nn.Linear(12, 3)
opt = torch.optim.Adam([*trunk.parameters(), *head.parameters(), *probe.parameters()], 1e-3)
for _ in range(10):
    x = torch.randn(12, 6)
    h = trunk(x)
    loss = nn.functional.cross_entropy(head(h), (x[:, 0] > 0).long()) + nn.functional.cross_entropy(probe(h.detach()), x[:, :3].argmax(1))
    opt.zero_grad(); loss.backward(); opt.step()
