"""A two-layer network that learns to tell three classes apart: ReLU, cross entropy, Adam.

Look at what ReLU does to the gradient: where its input was negative, nothing comes through. Cross entropy
starts the backward pass with softmax minus target, divided by the batch size. After `optimizer.step()` look
at Adam's state: `exp_avg` is the running mean of the gradients, `exp_avg_sq` that of their squares, and the
first step is lr in every element.
"""

import torch
import torch.nn.functional as F
from torch import nn

torch.manual_seed(0)


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(2, 16)
        self.fc2 = nn.Linear(16, 3)

    def forward(self, x):
        h = F.relu(self.fc1(x))
        return self.fc2(h)


# three clouds of points around the corners of a triangle
corners = torch.tensor([[0.0, 2.0], [-2.0, -1.0], [2.0, -1.0]])
labels = torch.arange(48) % 3
points = corners[labels] + 0.5 * torch.randn(48, 2)

model = MLP()
optimizer = torch.optim.Adam(model.parameters(), lr=0.02)

for epoch in range(5):
    for batch in range(3):
        x = points[16 * batch : 16 * (batch + 1)]
        y = labels[16 * batch : 16 * (batch + 1)]
        logits = model(x)
        loss = F.cross_entropy(logits, y)

        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    print(f"epoch {epoch}: loss = {loss.item():.4f}")

accuracy = (model(points).argmax(dim=1) == labels).float().mean()
print(f"accuracy = {accuracy:.2f}")
