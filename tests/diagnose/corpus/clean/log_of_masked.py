import torch, torch.nn as nn
torch.manual_seed(0)
m = nn.Linear(3, 4); opt = torch.optim.SGD(m.parameters(), lr=.1)
x, y = torch.randn(8, 3), torch.randint(0, 4, (8,))
mask = torch.tensor([0., 0., 0., float("-inf")]); y = y.clamp(max=2)
best = torch.full((1,), float("inf"))
for i in range(5):
    logits = m(x) + mask
    loss = nn.functional.cross_entropy(logits, y)
    opt.zero_grad(); loss.backward(); opt.step()
    best = torch.minimum(best, loss.detach())
