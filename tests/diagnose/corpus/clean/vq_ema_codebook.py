"""A codebook that is a parameter of the model and is kept up by moving averages, not by gradients."""

import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)


class VQ(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder, self.book = nn.Linear(6, 3), nn.Linear(3, 6), nn.Embedding(5, 3)

    def forward(self, x):
        z = self.encoder(x)
        index = torch.cdist(z, self.book.weight).argmin(1)
        q = self.book(index).detach()
        with torch.no_grad():
            for k in index.unique():
                self.book.weight[k] = 0.9 * self.book.weight[k] + 0.1 * z[index == k].mean(0)
        return self.decoder(z + (q - z).detach()), F.mse_loss(z, q)


model = VQ()
opt = torch.optim.Adam(model.parameters(), lr=1e-2)
x = torch.randn(12, 6)
for step in range(5):
    rebuilt, commitment = model(x)
    loss = F.mse_loss(rebuilt, x) + 0.25 * commitment
    opt.zero_grad()
    loss.backward()
    opt.step()
