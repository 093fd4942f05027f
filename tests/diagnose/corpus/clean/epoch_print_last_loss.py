import torch
from torch import nn
torch.manual_seed(0)
model = nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
X, Y = torch.randn(24, 3), torch.randn(24, 1)
for epoch in range(6):
    perm = torch.randperm(24)
    for i in range(0, 24, 6):
        idx = perm[i:i + 6]
        optimizer.zero_grad()
        loss = ((model(X[idx]) - Y[idx]) ** 2).mean()
        loss.backward()
        optimizer.step()
    print(f"{epoch}: {loss.item():.3f} {float(loss):.3f}")
