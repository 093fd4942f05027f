import torch, torch.nn as nn
torch.manual_seed(0)
m = nn.Linear(3, 2); opt = torch.optim.SGD(m.parameters(), lr=.1)
x = torch.randn(8, 3) * 300; y = torch.randint(0, 2, (8,))
for i in range(3):
    p = torch.softmax(m(x), 1)
    loss = -torch.log(p[torch.arange(8), y]).mean()  # FAULT non-finite
    # MENDED loss = nn.functional.cross_entropy(m(x), y)
    opt.zero_grad(); loss.backward(); opt.step()
