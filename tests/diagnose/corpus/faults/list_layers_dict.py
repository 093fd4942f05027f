import torch, torch.nn as nn
class Multi(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Linear(4, 6)
        self.heads = {"a": nn.Linear(6, 1), "b": nn.Linear(6, 1)}  # FAULT not-updated
        # MENDED self.heads = nn.ModuleDict({"a": nn.Linear(6, 1), "b": nn.Linear(6, 1)})
    def forward(self, x):
        h = torch.relu(self.trunk(x))
        return self.heads["a"](h) + self.heads["b"](h)
torch.manual_seed(0)
m = Multi(); opt = torch.optim.SGD(m.parameters(), lr=.05)
x = torch.randn(10, 4); y = torch.randn(10, 1)
for i in range(6):
    opt.zero_grad(); nn.functional.mse_loss(m(x), y).backward(); opt.step()
