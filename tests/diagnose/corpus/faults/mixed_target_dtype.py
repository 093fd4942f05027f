import torch
from torch import nn
m = nn.Linear(3, 2); x = torch.randn(4, 3)
y = torch.tensor([0., 1., 1., 0.])  # FAULT
# MENDED y = torch.tensor([0, 1, 1, 0])
loss = nn.CrossEntropyLoss()(m(x), y)  # CAUSE uncaught-exception
loss.backward()
