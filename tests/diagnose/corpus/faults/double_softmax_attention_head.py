import torch
from torch import nn
torch.manual_seed(0)
class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3))
        self.act = nn.Softmax(dim=-1)
    def forward(self, x):
        z = self.net(x)
        z = self.act(z)  # FAULT activation-before-loss
        return z
m = Head(); opt = torch.optim.Adam(m.parameters(), 1e-2)
loader = [(torch.randn(8, 5), torch.randint(0, 3, (8,))) for _ in range(3)]
for epoch in range(2):
    for x, y in loader:
        out = m(x)
        loss = nn.functional.cross_entropy(out, y)
        opt.zero_grad(); loss.backward(); opt.step()
