import torch, torch.nn as nn
torch.manual_seed(0)
m = nn.Linear(4, 1); opt = torch.optim.SGD(m.parameters(), lr=.1)
x = torch.rand(20, 4) + 5; y = torch.rand(20, 1)
for i in range(4):
    pred = torch.clamp(m(x) + 20, 0, 1)  # FAULT dead-gradient
    # MENDED pred = torch.sigmoid(m(x))
    loss = (pred - y).pow(2).mean()
    opt.zero_grad(); loss.backward(); opt.step()
