import torch, torch.nn as nn
torch.manual_seed(0)
m = nn.Linear(4, 1); opt = torch.optim.SGD(m.parameters(), lr=.1)
slow = [p.detach().clone() for p in m.parameters()]
x, y = torch.randn(10, 4), torch.randn(10, 1)
for i in range(9):
    loss = nn.functional.mse_loss(m(x), y)
    opt.zero_grad(); loss.backward(); opt.step()
    if i % 3 == 2:
        with torch.no_grad():
            for s, p in zip(slow, m.parameters()):
                s += .5 * (p - s); p.copy_(s)
