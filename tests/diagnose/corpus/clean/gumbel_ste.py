import torch
from torch import nn
import torch.nn.functional as F
torch.manual_seed(0)
enc, dec = nn.Linear(6, 5), nn.Linear(5, 6); opt = torch.optim.Adam([*enc.parameters(), *dec.parameters()], 1e-2)
x = torch.randn(12, 6)
for i in range(6):
    z = F.gumbel_softmax(enc(x), tau=1., hard=True)
    loss = F.mse_loss(dec(z), x)
    opt.zero_grad(); loss.backward(); opt.step()
