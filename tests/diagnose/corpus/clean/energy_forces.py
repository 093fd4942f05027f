"""Forces are the gradient of an energy; the loss is on both."""
import torch
from torch import nn

torch.manual_seed(0)
net = nn.Sequential(nn.Linear(3, 24), nn.Softplus(), nn.Linear(24, 1))
opt = torch.optim.Adam(net.parameters(), 5e-3, amsgrad=True)
for _ in range(12):
    r = torch.randn(16, 3, requires_grad=True)
    energy = net(r)
    forces = -torch.autograd.grad(energy.sum(), r, create_graph=True)[0]
    true_e, true_f = (r**2).sum(1, keepdim=True) / 2, -r
    loss = nn.functional.mse_loss(energy, true_e.detach()) + nn.functional.mse_loss(forces, true_f.detach())
    opt.zero_grad()
    loss.backward()
    opt.step()
