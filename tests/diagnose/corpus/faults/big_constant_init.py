import torch
from torch import nn
torch.manual_seed(0)
def init(m):
    if isinstance(m, nn.Linear):
        nn.init.constant_(m.weight, 0.01)  # FAULT symmetric-weights
        # MENDED nn.init.xavier_uniform_(m.weight)
        nn.init.zeros_(m.bias)
model = nn.Sequential(nn.Linear(100, 64), nn.ReLU(), nn.Linear(64, 10))
model.apply(init)
opt = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.randn(32, 100), torch.randint(0, 10, (32,))
for i in range(5):
    opt.zero_grad(); nn.functional.cross_entropy(model(x), y).backward(); opt.step()
