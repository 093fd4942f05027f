"""A rating model: predictions [N, 1], ratings [N], written out as a Huber loss by hand."""
import torch
from torch import nn

class Ratings(nn.Module):
    def __init__(self, users=20, items=30, d=6):
        super().__init__()
        self.u, self.i = nn.Embedding(users, d), nn.Embedding(items, d)
        self.mix = nn.Linear(d, 1)

    def forward(self, u, i):
        return self.mix(self.u(u) * self.i(i))  # FAULT
        # MENDED return self.mix(self.u(u) * self.i(i)).squeeze(-1)

def huber(a, b):
    d = (a - b).abs()  # CAUSE loss-broadcast
    return torch.where(d < 1, 0.5 * d**2, d - 0.5).mean()

torch.manual_seed(0)
model = Ratings()
optimizer = torch.optim.Adagrad(model.parameters(), lr=0.1)
for _ in range(12):
    u, i = torch.randint(0, 20, (16,)), torch.randint(0, 30, (16,))
    loss = huber(model(u, i), ((u + i) % 5).float())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
