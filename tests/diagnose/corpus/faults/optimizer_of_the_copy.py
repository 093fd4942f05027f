"""The model is deep-copied for the optimizer ("a clean one"), so what is trained never changes."""
import copy
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
clean = copy.deepcopy(model)
optimizer = torch.optim.Adam(clean.parameters(), lr=1e-2)  # FAULT never-updated
# MENDED optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for _ in range(10):
    x, y = torch.randn(12, 4), torch.randint(0, 2, (12,))
    loss = nn.functional.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
