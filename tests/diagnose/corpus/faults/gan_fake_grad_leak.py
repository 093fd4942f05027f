"""A GAN in functions; the generator's pass fills the discriminator's gradients, which are cleared before neither step."""

import torch
from torch import nn

torch.manual_seed(0)
G = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
D = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
g_opt = torch.optim.Adam(G.parameters(), lr=2e-3)
d_opt = torch.optim.Adam(D.parameters(), lr=2e-3)
bce = nn.BCEWithLogitsLoss()
ones, zeros = torch.ones(16, 1), torch.zeros(16, 1)


def train_discriminator(real):
    fake = G(torch.randn(16, 4)).detach()
    # MENDED d_opt.zero_grad()
    loss = bce(D(real), ones) + bce(D(fake), zeros)
    loss.backward()
    d_opt.step()
    d_opt.zero_grad()  # FAULT


def train_generator():
    g_opt.zero_grad()
    loss = bce(D(G(torch.randn(16, 4))), ones)
    loss.backward()  # CAUSE gradient-leak
    g_opt.step()


for it in range(12):
    train_generator()
    train_discriminator(torch.randn(16, 2) + 3)
