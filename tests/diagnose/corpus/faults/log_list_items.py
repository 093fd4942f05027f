import torch, torch.nn as nn
torch.manual_seed(0)
m = nn.Linear(3, 1); opt = torch.optim.SGD(m.parameters(), lr=.01)
losses = []
for i in range(10):
    x = torch.randn(5, 3)
    loss = m(x).pow(2).mean()
    opt.zero_grad(); loss.backward(); opt.step()
    losses.append(loss)  # FAULT
    # MENDED losses.append(loss.item())
print([round(float(l), 3) for l in losses])  # CAUSE graph-kept-alive
