import torch, torch.nn as nn, sys
torch.manual_seed(0)
class Stop(Exception): pass
m = nn.Linear(3, 1); opt = torch.optim.SGD(m.parameters(), lr=.1)
x = torch.randn(8, 3)
try:
    for i in range(20):
        loss = m(x).pow(2).mean()
        opt.zero_grad(); loss.backward(); opt.step()
        if loss.item() < .05: raise Stop
except Stop:
    pass
