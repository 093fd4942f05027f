"""A model with a part that this task does not use at all, and a buffer-like parameter that is frozen."""
import torch
from torch import nn

class Multi(nn.Module):
    def __init__(self):
        super().__init__()
        self.shared = nn.Linear(5, 10)
        self.heads = nn.ModuleDict({"seen": nn.Linear(10, 2), "unseen": nn.Linear(10, 3)})
        self.scale = nn.Parameter(torch.ones(1), requires_grad=False)

    def forward(self, x, task):
        return self.heads[task](torch.relu(self.shared(x))) * self.scale

torch.manual_seed(0)
net = Multi()
opt = torch.optim.Adadelta(net.parameters(), lr=1.0)
for _ in range(12):
    x, y = torch.randn(10, 5), torch.randint(0, 2, (10,))
    loss = nn.functional.cross_entropy(net(x, "seen"), y, reduction="none").mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
