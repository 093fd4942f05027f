import torch
from torch import nn
class Swish(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        s = torch.sigmoid(x)
        ctx.save_for_backward(x, s)
        return x * s
    @staticmethod
    def backward(ctx, g):
        x, s = ctx.saved_tensors
        return g * (s + x * s)  # FAULT custom-backward
        # MENDED return g * (s + x * s * (1 - s))
torch.manual_seed(0)
m = nn.Linear(4, 16)
opt = torch.optim.SGD(m.parameters(), 0.01)
for _ in range(6):
    loss = (Swish.apply(m(torch.randn(24, 4))) - 1).pow(2).mean()
    opt.zero_grad(); loss.backward(); opt.step()
