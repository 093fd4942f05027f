"""nll_loss of raw outputs: the loss has no bound below."""

import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
criterion = nn.NLLLoss()
opt = torch.optim.Adam(model.parameters(), lr=0.01)
x, y = torch.randn(20, 6), torch.randint(0, 3, (20,))
for step in range(4):
    opt.zero_grad()
    out = model(x)  # FAULT activation-before-loss
    # MENDED out = model(x).log_softmax(1)
    loss = criterion(out, y)
    loss.backward()
    opt.step()
