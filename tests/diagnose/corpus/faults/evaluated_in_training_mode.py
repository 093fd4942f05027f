"""The accuracy is measured with dropout active."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 2))
opt = torch.optim.Adam(model.parameters(), lr=1e-2)
x, y = torch.randn(24, 4), torch.randint(0, 2, (24,))
for epoch in range(4):
    # MENDED model.train()
    loss = nn.functional.cross_entropy(model(x[:16]), y[:16])
    opt.zero_grad()
    loss.backward()
    opt.step()
    # MENDED model.eval()
    with torch.no_grad():
        guess = model(x[16:]).argmax(1)  # CAUSE evaluation-mode
    accuracy = (guess == y[16:]).float().mean().item()
