import torch
from torch import nn
torch.manual_seed(0)
class Net(nn.Module):
    def __init__(s):
        super().__init__(); s.a, s.b = nn.Linear(4, 12), nn.Linear(12, 2)
    def forward(s, x):
        return s.b(nn.functional.dropout(torch.relu(s.a(x)), .3, training=s.training))
n = Net(); opt = torch.optim.SGD(n.parameters(), .1)
x, y = torch.randn(30, 4), torch.randint(0, 2, (30,))
for e in range(4):
    n.train()
    for i in range(0, 20, 10):
        opt.zero_grad(); nn.functional.cross_entropy(n(x[i:i+10]), y[i:i+10]).backward(); opt.step()
    n.eval()
    with torch.no_grad(): print((n(x[20:]).argmax(-1) == y[20:]).float().mean().item())
