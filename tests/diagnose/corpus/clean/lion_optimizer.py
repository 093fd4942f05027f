"""Lion: a custom optimizer of signs, with decay, written with foreach ops."""
import torch
from torch import nn

class Lion(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.99), weight_decay=0.01):
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure=None):
        for g in self.param_groups:
            ps = [p for p in g["params"] if p.grad is not None]
            grads = [p.grad for p in ps]
            ms = [self.state[p].setdefault("m", torch.zeros_like(p)) for p in ps]
            torch._foreach_mul_(ps, 1 - g["lr"] * g["weight_decay"])
            signs = [torch.sign(m * g["betas"][0] + d * (1 - g["betas"][0])) for m, d in zip(ms, grads)]
            torch._foreach_add_(ps, signs, alpha=-g["lr"])
            torch._foreach_lerp_(ms, grads, 1 - g["betas"][1])

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(4, 20), nn.ReLU(), nn.Linear(20, 1))
opt = Lion(net.parameters(), lr=3e-3)
for _ in range(15):
    x = torch.randn(16, 4)
    loss = nn.functional.mse_loss(net(x), x.amax(1, keepdim=True))
    net.zero_grad()
    loss.backward()
    opt.step()
