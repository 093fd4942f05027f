"""Linear regression on a data set: several features, mini-batches, an optimizer.

One epoch is several iterations now, each with its own mini-batch, its own loss and its own update. Compare
the `weight.grad` of neighbouring iterations: each is the gradient of its batch only. `zero_grad()` clears
both gradients to None, and `step()` is the line that was written by hand in `ols.py`.
"""

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Houses(Dataset):
    """Size, rooms and age of a house, scaled to be around zero, and a noisy price."""

    def __init__(self, count):
        self.features = torch.randn(count, 3)
        self.prices = self.features @ torch.tensor([[3.0], [1.0], [-2.0]]) + 5 + 0.1 * torch.randn(count, 1)

    def __len__(self):
        return len(self.prices)

    def __getitem__(self, index):
        return self.features[index], self.prices[index]


torch.manual_seed(0)
loader = DataLoader(Houses(32), batch_size=8, shuffle=True)
model = nn.Linear(3, 1)
criterion = nn.MSELoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

for epoch in range(5):
    for features, price in loader:
        optimizer.zero_grad()
        prediction = model(features)
        loss = criterion(prediction, price)
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch}: loss = {loss.item():.4f}")

print("weight =", model.weight.data, "bias =", model.bias.data)
