"""An averaging meter that is given the loss itself and sums it, graph and all."""

import torch
from torch import nn


class Meter:
    def __init__(self):
        self.total, self.count = 0.0, 0

    def update(self, value):
        self.total = self.total + value  # CAUSE graph-kept-alive
        self.count += 1

    @property
    def mean(self):
        return self.total / self.count


torch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 4))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
meter = Meter()
for _ in range(20):
    x, y = torch.randn(16, 8), torch.randint(0, 4, (16,))
    loss = nn.functional.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    meter.update(loss)  # FAULT
    # MENDED meter.update(loss.item())
print(f"{float(meter.mean):.3f}")
