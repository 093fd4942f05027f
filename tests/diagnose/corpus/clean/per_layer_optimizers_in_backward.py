"""An optimizer a parameter, stepped in a hook as soon as its gradient is there."""
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 1))
optimizers = {p: torch.optim.SGD([p], lr=0.02) for p in model.parameters()}

def hook(p):
    optimizers[p].step()
    optimizers[p].zero_grad()

for p in model.parameters():
    p.register_post_accumulate_grad_hook(hook)
for _ in range(12):
    x = torch.randn(16, 6)
    nn.functional.mse_loss(model(x), x[:, :1]).backward()
