import torch, torch.nn as nn
class M(nn.Module):
    def __init__(self):
        super().__init__()
        self.l = nn.Linear(4, 1)
    @torch.no_grad()  # FAULT
    def forward(self, x):
        return self.l(x)  # CAUSE no-gradient
torch.manual_seed(0)
m = M(); o = torch.optim.SGD(m.parameters(), lr=.1)
x = torch.randn(8, 4)
for _ in range(3):
    o.zero_grad()
    loss = m(x).pow(2).mean()
    loss.backward()
    o.step()
