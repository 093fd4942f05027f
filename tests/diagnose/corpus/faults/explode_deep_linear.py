import torch
from torch import nn
torch.manual_seed(0)
layers = []
for _ in range(12):
    l = nn.Linear(32, 32)
    nn.init.normal_(l.weight, std=1.0)  # FAULT
    layers += [l, nn.ReLU()]
    # MENDED nn.init.kaiming_normal_(l.weight)
model = nn.Sequential(*layers, nn.Linear(32, 1))
opt = torch.optim.SGD(model.parameters(), lr=1e-18)
x, y = torch.randn(16, 32), torch.randn(16, 1)
for i in range(4):
    loss = nn.functional.l1_loss(model(x), y)  # CAUSE gradient-scale
    opt.zero_grad(); loss.backward(); opt.step()
