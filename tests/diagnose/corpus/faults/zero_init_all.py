import torch, torch.nn as nn
torch.manual_seed(0)
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(3, 5), nn.Linear(5, 2)
        for p in self.parameters():  # FAULT
            nn.init.zeros_(p)  # FAULT symmetric-weights
    def forward(self, x):
        return self.b(torch.tanh(self.a(x)))
m = Net()
opt = torch.optim.SGD(m.parameters(), lr=.1)
x = torch.randn(20, 3); y = torch.randint(0, 2, (20,))
for i in range(8):
    opt.zero_grad()
    loss = nn.functional.cross_entropy(m(x), y)
    loss.backward()
    opt.step()
