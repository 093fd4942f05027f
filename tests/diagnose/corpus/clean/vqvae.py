import torch, torch.nn as nn, torch.nn.functional as F
torch.manual_seed(0)
enc, dec, book = nn.Linear(6, 3), nn.Linear(3, 6), nn.Embedding(5, 3)
opt = torch.optim.Adam([*enc.parameters(), *dec.parameters(), *book.parameters()], lr=.01)
x = torch.randn(12, 6)
for i in range(5):
    z = enc(x)
    idx = torch.cdist(z, book.weight).argmin(1)
    q = book(idx)
    loss = F.mse_loss(q, z.detach()) + .25 * F.mse_loss(z, q.detach())
    zq = z + (q - z).detach()
    loss = loss + F.mse_loss(dec(zq), x)
    opt.zero_grad(); loss.backward(); opt.step()
