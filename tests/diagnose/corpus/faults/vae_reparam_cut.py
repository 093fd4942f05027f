"""A VAE that draws its latent with Normal(...).sample(), which cuts the encoder off from the reconstruction."""

import torch
from torch import nn
from torch.distributions import Normal


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, 4))
        self.decoder = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 12))

    def forward(self, x):
        mean, log_std = self.encoder(x).chunk(2, -1)
        posterior = Normal(mean, log_std.exp())
        z = posterior.sample()  # FAULT detached-path
        # MENDED z = posterior.rsample()
        return self.decoder(z), posterior


torch.manual_seed(0)
vae = VAE()
optimizer = torch.optim.Adam(vae.parameters(), lr=1e-3)
data = torch.rand(96, 12)
for epoch in range(3):
    for x in data.split(16):
        reconstruction, posterior = vae(x)
        loss = nn.functional.mse_loss(reconstruction, x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
