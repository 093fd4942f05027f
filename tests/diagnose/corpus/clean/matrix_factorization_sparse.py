import torch
from torch import nn
torch.manual_seed(0)
U, V = nn.Embedding(10, 4, sparse=True), nn.Embedding(8, 4, sparse=True)
opt = torch.optim.SparseAdam([*U.parameters(), *V.parameters()], lr=.05)
u, v, r = torch.randint(0, 10, (30,)), torch.randint(0, 8, (30,)), torch.rand(30) * 5
for e in range(5):
    pred = (U(u) * V(v)).sum(1)
    loss = nn.functional.mse_loss(pred, r)
    opt.zero_grad(); loss.backward(); opt.step()
