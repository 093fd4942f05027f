import torch
from torch import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(4, 8)
        self.blocks = tuple(nn.Sequential(nn.Linear(8, 8), nn.Tanh()) for _ in range(2))  # FAULT not-updated
        # MENDED self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(8, 8), nn.Tanh()) for _ in range(2))
        self.out = nn.Linear(8, 1)
    def forward(self, x):
        h = self.stem(x)
        for block in self.blocks:
            h = h + block(h)
        return self.out(h)
torch.manual_seed(0)
net = Net()
opt = torch.optim.Adam(net.parameters(), 3e-3)
for _ in range(12):
    x = torch.randn(16, 4)
    loss = nn.functional.mse_loss(net(x), x[:, :1])
    opt.zero_grad(); loss.backward(); opt.step()
