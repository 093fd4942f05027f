"""Training and evaluation in turn; the best loss is kept; it stops early."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 2))
opt = torch.optim.Adam(model.parameters(), lr=1e-2)
scheduler = torch.optim.lr_scheduler.StepLR(opt, 2, gamma=0.5)
x, y = torch.randn(40, 4), torch.randint(0, 2, (40,))
best, patience = float("inf"), 2
for epoch in range(6):
    model.train()
    total = 0.0
    for start in range(0, 32, 8):
        xb, yb = x[start : start + 8], y[start : start + 8]
        opt.zero_grad()
        loss = nn.functional.cross_entropy(model(xb), yb)
        loss.backward()
        opt.step()
        total += loss.item()
    scheduler.step()
    model.eval()
    with torch.no_grad():
        logits = model(x[32:])
        validation = nn.functional.cross_entropy(logits, y[32:]).item()
        accuracy = (logits.argmax(1) == y[32:]).float().mean().item()
    if validation < best:
        best, patience = validation, 2
    else:
        patience -= 1
        if patience == 0:
            break
