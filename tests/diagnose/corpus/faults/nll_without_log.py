"""NLLLoss is given probabilities, by a head class."""
import torch
from torch import nn

class Head(nn.Module):
    def __init__(self, d, k):
        super().__init__()
        self.fc = nn.Linear(d, k)
        self.act = nn.Softmax(dim=1)  # FAULT
        # MENDED self.act = nn.LogSoftmax(dim=1)

    def forward(self, h):
        return self.act(self.fc(h))  # CAUSE activation-before-loss

torch.manual_seed(0)
body, head = nn.Sequential(nn.Linear(5, 16), nn.ELU()), Head(16, 3)
criterion = nn.NLLLoss()
optimizer = torch.optim.SGD([{"params": body.parameters()}, {"params": head.parameters(), "lr": 0.05}], lr=0.01)
for _ in range(10):
    x = torch.randn(12, 5)
    y = x[:, :3].argmax(1)
    optimizer.zero_grad()
    loss = criterion(head(body(x)), y)
    loss.backward()
    optimizer.step()
