import torch, torch.nn as nn
torch.manual_seed(0)
m = nn.Linear(4, 1)
opt = torch.optim.SGD(m.parameters(), lr=.1)
x = torch.randn(12, 4); y = (x[:, 0] > 0).float()
for i in range(4):
    p = torch.sigmoid(m(x))
    loss = -(y * torch.log(p) + (1 - y) * torch.log(1 - p)).mean()  # FAULT loss-broadcast
    # MENDED p = p.squeeze(-1)
    # MENDED loss = -(y * torch.log(p) + (1 - y) * torch.log(1 - p)).mean()
    opt.zero_grad(); loss.backward(); opt.step()
