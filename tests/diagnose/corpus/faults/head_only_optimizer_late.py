import torch
from torch import nn
torch.manual_seed(0)
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(4, 8); self.mid = nn.Linear(8, 8); self.out = nn.Linear(8, 2)
    def forward(self, x):
        return self.out(torch.relu(self.mid(torch.relu(self.stem(x)))))
net = Net()
opt = torch.optim.Adam([{"params": net.stem.parameters()}, {"params": net.out.parameters()}], lr=1e-2)  # FAULT not-updated
# MENDED opt = torch.optim.Adam(net.parameters(), lr=1e-2)
x, y = torch.randn(20, 4), torch.randint(0, 2, (20,))
for i in range(6):
    opt.zero_grad(); nn.functional.cross_entropy(net(x), y).backward(); opt.step()
