import torch, torch.nn as nn, torch.nn.functional as F
torch.manual_seed(0)
enc, dec = nn.Linear(6, 4), nn.Linear(4, 6)
opt = torch.optim.Adam([*enc.parameters(), *dec.parameters()], lr=.01)
x = torch.randn(10, 6)
for i in range(5):
    code = F.one_hot(enc(x).argmax(-1), 4).float()  # FAULT detached-path
    # MENDED code = torch.softmax(enc(x), -1)
    loss = F.mse_loss(dec(code), x)
    opt.zero_grad(); loss.backward(); opt.step()
