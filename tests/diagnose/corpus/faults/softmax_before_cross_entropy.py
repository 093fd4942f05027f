"""The model ends in a softmax, the loss applies another."""

import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(0)


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(5, 16), nn.Linear(16, 4)

    def forward(self, x):
        x = torch.relu(self.first(x))
        return F.softmax(self.last(x), dim=1)  # FAULT activation-before-loss
        # MENDED return self.last(x)


model = Classifier()
opt = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9)
x, y = torch.randn(20, 5), torch.randint(0, 4, (20,))
for i in range(4):
    opt.zero_grad()
    F.cross_entropy(model(x), y).backward()
    opt.step()
