"""VQ-VAE: straight-through estimator, commitment loss, codebook loss."""
import torch
from torch import nn

class Quantizer(nn.Module):
    def __init__(self, k=8, d=4):
        super().__init__()
        self.codebook = nn.Embedding(k, d)

    def forward(self, z):
        index = torch.cdist(z, self.codebook.weight).argmin(1)
        q = self.codebook(index)
        loss = (q - z.detach()).pow(2).mean() + 0.25 * (q.detach() - z).pow(2).mean()
        return z + (q - z).detach(), loss

torch.manual_seed(0)
enc, dec, vq = nn.Linear(10, 4), nn.Linear(4, 10), Quantizer()
opt = torch.optim.Adam([*enc.parameters(), *dec.parameters(), *vq.parameters()], 2e-3)
for _ in range(15):
    x = torch.randn(24, 10)
    z, aux = vq(enc(x))
    loss = nn.functional.mse_loss(dec(z), x) + aux
    opt.zero_grad(set_to_none=True)
    loss.backward()
    opt.step()
