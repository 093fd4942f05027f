import torch, torch.nn as nn
class LeakySquare(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.sin(x)
    @staticmethod
    def backward(ctx, g):
        x, = ctx.saved_tensors
        return -g * torch.cos(x)  # FAULT custom-backward
        # MENDED return g * torch.cos(x)
torch.manual_seed(0)
m = nn.Linear(4, 10)
opt = torch.optim.SGD(m.parameters(), lr=.01)
x = torch.randn(20, 4)
for i in range(4):
    out = LeakySquare.apply(m(x))
    loss = (out - 0.3).pow(2).mean()
    opt.zero_grad(); loss.backward(); opt.step()
