import torch
from torch import nn
torch.manual_seed(0)
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 4)
        # MENDED self.b = nn.Linear(4, 1)
    def forward(self, x):
        h = torch.relu(self.a(x))
        return nn.Linear(4, 1)(h)  # FAULT parameter-recreated
        # MENDED return self.b(h)
net = Net(); opt = torch.optim.SGD(net.parameters(), lr=0.05)
x, y = torch.randn(12, 4), torch.randn(12, 1)
for i in range(5):
    opt.zero_grad(); nn.functional.mse_loss(net(x), y).backward(); opt.step()
