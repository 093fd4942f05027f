"""Validation every epoch by a context manager that puts each module back into its mode; patience stops early."""
import contextlib
import torch
from torch import nn

@contextlib.contextmanager
def evaluating(model):
    modes = {m: m.training for m in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for m, mode in modes.items():
            m.training = mode

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(5, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 1))
opt = torch.optim.NAdam(model.parameters(), 2e-3)
best, bad = float("inf"), 0
vx = torch.randn(20, 5)
for epoch in range(10):
    for _ in range(3):
        x = torch.randn(16, 5)
        loss = nn.functional.huber_loss(model(x), x.mean(1, keepdim=True))
        loss.backward()
        opt.step()
        opt.zero_grad()
    with evaluating(model):
        v = nn.functional.mse_loss(model(vx), vx.mean(1, keepdim=True)).item()
    best, bad = (v, 0) if v < best else (best, bad + 1)
    if bad >= 2:
        break
