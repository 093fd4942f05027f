import torch, torch.nn as nn
torch.manual_seed(0)
l = nn.Linear(4, 4)
x = torch.randn(5, 4)
for i in range(2):
    h = torch.tanh(l(x))
    out = h * h
    h.mul_(2)  # FAULT inplace-modification
    loss = (out + h).sum()
    loss.backward()
