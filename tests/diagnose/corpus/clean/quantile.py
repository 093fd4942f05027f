import torch, torch.nn as nn
torch.manual_seed(0)
m = nn.Linear(3, 5); taus = torch.linspace(.1, .9, 5)
opt = torch.optim.Adam(m.parameters(), lr=.01)
x, y = torch.randn(5, 3), torch.randn(5, 1)
for i in range(5):
    err = y - m(x)
    loss = torch.maximum(taus * err, (taus - 1) * err).mean()
    opt.zero_grad(); loss.backward(); opt.step()
