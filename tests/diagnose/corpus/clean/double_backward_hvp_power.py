"""Power iteration on the Hessian between training steps; gradients of gradients, nothing accumulated."""
import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(3, 8), nn.Softplus(), nn.Linear(8, 1))
params = list(net.parameters())
opt = torch.optim.SGD(params, lr=0.03, weight_decay=1e-3)
v = [torch.randn_like(p) for p in params]
x = torch.randn(20, 3)
y = x.norm(dim=1, keepdim=True)
for epoch in range(8):
    loss = nn.functional.mse_loss(net(x), y)
    g = torch.autograd.grad(loss, params, create_graph=True)
    hv = torch.autograd.grad(sum((a * b).sum() for a, b in zip(g, v)), params)
    n = torch.sqrt(sum((h * h).sum() for h in hv))
    v = [h / (n + 1e-12) for h in hv]
    opt.zero_grad()
    nn.functional.mse_loss(net(x), y).backward()
    opt.step()
