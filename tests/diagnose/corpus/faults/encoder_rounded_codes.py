import torch
from torch import nn
class Codec(nn.Module):
    def __init__(self):
        super().__init__()
        self.enc, self.dec = nn.Linear(6, 4), nn.Linear(4, 6)
    def forward(self, x):
        code = torch.tanh(self.enc(x))
        bits = (code > 0).float()  # FAULT detached-path
        # MENDED bits = code + ((code > 0).float() - code).detach()
        return self.dec(bits)
torch.manual_seed(0)
m = Codec()
opt = torch.optim.Adam(m.parameters(), 1e-2)
for _ in range(10):
    x = torch.randn(16, 6)
    loss = (m(x) - x).square().mean()
    opt.zero_grad(); loss.backward(); opt.step()
