import torch, torch.nn as nn
torch.manual_seed(0)
class Lin(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = torch.randn(3, 1)  # FAULT no-gradient
        # MENDED self.w = nn.Parameter(torch.randn(3, 1))
    def forward(self, x):
        return x @ self.w
m = Lin()
x = torch.randn(5, 3)
loss = m(x).pow(2).mean()
loss.backward()
print(m.w.grad)
