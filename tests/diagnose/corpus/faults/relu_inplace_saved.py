import torch
from torch import nn
torch.manual_seed(0)
a, b = nn.Linear(4, 4), nn.Linear(4, 4)
x = torch.randn(6, 4)
h = torch.sigmoid(a(x))
y = torch.relu_(h)  # FAULT inplace-modification
# MENDED y = torch.relu(h)
loss = (b(y) + h).sum()
loss.backward()
