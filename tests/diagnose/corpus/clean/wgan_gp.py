"""WGAN with a gradient penalty; the critic is trained five times for one generator step."""
import torch
from torch import nn

torch.manual_seed(0)
gen = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 2))
critic = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
g_opt = torch.optim.Adam(gen.parameters(), lr=1e-3, betas=(0.0, 0.9))
c_opt = torch.optim.Adam(critic.parameters(), lr=1e-3, betas=(0.0, 0.9))

def penalty(real, fake):
    t = torch.rand(len(real), 1)
    mix = (t * real + (1 - t) * fake).requires_grad_()
    slope, = torch.autograd.grad(critic(mix).sum(), mix, create_graph=True)
    return ((slope.norm(2, dim=1) - 1) ** 2).mean()

for _ in range(4):
    for _ in range(5):
        real = torch.randn(16, 2) + 2
        fake = gen(torch.randn(16, 3)).detach()
        loss = critic(fake).mean() - critic(real).mean() + 10 * penalty(real, fake)
        c_opt.zero_grad()
        loss.backward()
        c_opt.step()
    g_opt.zero_grad()
    (-critic(gen(torch.randn(16, 3))).mean()).backward()
    g_opt.step()
