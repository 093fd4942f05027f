import torch, torch.nn as nn
torch.manual_seed(0)
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(6, 8), nn.ReLU()); self.head = nn.Linear(8, 2)
    def forward(self, x): return self.head(self.backbone(x))
net = Net()
opt = torch.optim.SGD(net.head.parameters(), lr=.1)
x, y = torch.randn(12, 6), torch.randint(0, 2, (12,))
for i in range(5):
    loss = nn.functional.cross_entropy(net(x), y)
    opt.zero_grad(); loss.backward(); opt.step()
