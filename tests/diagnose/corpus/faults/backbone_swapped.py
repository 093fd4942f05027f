import torch, torch.nn as nn
torch.manual_seed(0)
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1); self.fc = nn.Linear(4 * 36, 10)
    def forward(self, x):
        return self.fc(torch.relu(self.conv(x)).flatten(1))
net = Net()
opt = torch.optim.Adam(net.parameters(), lr=1e-3)
num_classes = 3
net.fc = nn.Linear(4 * 36, num_classes)  # FAULT not-updated
# MENDED net.fc = nn.Linear(4 * 36, num_classes)
# MENDED opt = torch.optim.Adam(net.parameters(), lr=1e-3)
x = torch.randn(6, 1, 6, 6); y = torch.randint(0, 3, (6,))
for i in range(5):
    opt.zero_grad(); nn.functional.cross_entropy(net(x), y).backward(); opt.step()
