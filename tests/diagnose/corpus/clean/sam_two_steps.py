"""Sharpness-aware minimisation: two passes an iteration, the first one's gradients move the weights up and are cleared."""
import torch
from torch import nn

class SAM(torch.optim.Optimizer):
    def __init__(self, params, rho=0.05, lr=0.05):
        super().__init__(params, {"rho": rho, "lr": lr})

    @torch.no_grad()
    def ascend(self):
        for group in self.param_groups:
            norm = torch.stack([p.grad.norm() for p in group["params"]]).norm()
            for p in group["params"]:
                e = p.grad * (group["rho"] / (norm + 1e-12))
                p.add_(e)
                self.state[p]["e"] = e
        self.zero_grad()

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.sub_(self.state[p]["e"])
                p.sub_(group["lr"] * p.grad)
        self.zero_grad()

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1))
opt = SAM(net.parameters())
for _ in range(12):
    x = torch.randn(16, 4)
    y = x[:, :1].sin()
    nn.functional.mse_loss(net(x), y).backward()
    opt.ascend()
    nn.functional.mse_loss(net(x), y).backward()
    opt.step()
