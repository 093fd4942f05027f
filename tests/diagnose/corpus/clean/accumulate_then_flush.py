import torch
from torch import nn
torch.manual_seed(0)
m = nn.Linear(4, 1); opt = torch.optim.AdamW(m.parameters(), 1e-2); k = 3
opt.zero_grad()
n = 10
for i in range(n):
    x = torch.randn(6, 4)
    loss = m(x).pow(2).mean() / k
    loss.backward()
    if (i + 1) % k == 0 or i + 1 == n:
        nn.utils.clip_grad_norm_(m.parameters(), 1.); opt.step(); opt.zero_grad()
