import torch, torch.nn as nn
torch.manual_seed(0)
m = nn.Linear(4, 1); opt = torch.optim.SGD(m.parameters(), lr=.1)
x = torch.randn(20, 4); y = (x[:, :1] > 0).float()
for i in range(4):
    pred = torch.sign(m(x))  # FAULT dead-gradient
    # MENDED pred = torch.tanh(m(x))
    loss = (pred - y).pow(2).mean()
    opt.zero_grad(); loss.backward(); opt.step()
