"""After the first validation the model is never put back into training mode."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 2))
opt = torch.optim.Adam(model.parameters(), lr=1e-2)
x, y = torch.randn(24, 4), torch.randint(0, 2, (24,))
model.train()
for epoch in range(4):
    # MENDED model.train()
    for start in (0, 8):
        logits = model(x[start : start + 8])
        loss = nn.functional.cross_entropy(logits, y[start : start + 8])
        opt.zero_grad()
        loss.backward()
        opt.step()
    model.eval()  # CAUSE evaluation-mode
    with torch.no_grad():
        accuracy = (model(x[16:]).argmax(1) == y[16:]).float().mean()
