"""Every new fold re-creates the model but the optimizer is that of the first."""
import torch
from torch import nn

def make():
    return nn.Sequential(nn.Linear(4, 12), nn.ReLU(), nn.Linear(12, 1))

torch.manual_seed(0)
x, y = torch.randn(40, 4), torch.randn(40, 1)
model = make()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)  # CAUSE never-updated
for fold in range(3):
    model = make()
    # MENDED optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for epoch in range(5):
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
