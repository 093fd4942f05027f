"""Sigmoid saves its result, which is then changed in place."""

import torch
from torch import nn

torch.manual_seed(0)
layer = nn.Linear(4, 4)
x = torch.randn(8, 4)
hidden = torch.sigmoid(layer(x))
hidden += 1  # FAULT inplace-modification
# MENDED hidden = hidden + 1
loss = hidden.sum()
loss.backward()
