import torch, torch.nn as nn
torch.manual_seed(0)
m = nn.Linear(3, 4); opt = torch.optim.SGD(m.parameters(), lr=.1)
x = torch.randn(8, 3) * 200; y = torch.randint(0, 4, (8,))
for i in range(3):
    z = m(x)
    e = torch.exp(z)  # FAULT non-finite
    # MENDED e = torch.exp(z - z.max(1, keepdim=True).values)
    p = e / e.sum(1, keepdim=True)
    loss = -torch.log(p[torch.arange(8), y] + 1e-9).mean()
    opt.zero_grad(); loss.backward(); opt.step()
