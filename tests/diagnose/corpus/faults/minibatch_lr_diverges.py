import torch
from torch import nn
torch.manual_seed(0)
w = nn.Linear(20, 1)
optimizer = torch.optim.SGD(w.parameters(), lr=0.8)  # FAULT divergence
# MENDED optimizer = torch.optim.SGD(w.parameters(), lr=0.01)
X = torch.randn(100, 20); y = X @ torch.randn(20, 1)
for epoch in range(2):
    for i in range(0, 100, 10):
        loss = ((w(X[i:i + 10]) - y[i:i + 10]) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(epoch, loss.item())
