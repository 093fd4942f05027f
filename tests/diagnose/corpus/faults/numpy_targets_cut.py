import numpy as np, torch
from torch import nn
torch.manual_seed(0)
m = nn.Linear(4, 1); opt = torch.optim.SGD(m.parameters(), lr=0.05)
x, y = torch.randn(12, 4), np.random.RandomState(0).randn(12, 1).astype("float32")
for i in range(3):
    pred = m(x).detach().numpy()  # FAULT no-gradient
    # MENDED pred = m(x)
    loss = torch.tensor(((pred - y) ** 2).mean())  # FAULT
    # MENDED loss = ((pred - torch.tensor(y)) ** 2).mean()
    opt.zero_grad(); loss.backward(); opt.step()
