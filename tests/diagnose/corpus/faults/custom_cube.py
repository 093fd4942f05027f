import torch, torch.nn as nn
class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x ** 3
    @staticmethod
    def backward(ctx, g):
        x, = ctx.saved_tensors
        return g * 2 * x ** 2  # FAULT custom-backward
        # MENDED return g * 3 * x ** 2
torch.manual_seed(0)
w = torch.randn(60, requires_grad=True)
opt = torch.optim.SGD([w], lr=.01)
for i in range(4):
    loss = (Cube.apply(w) - 1).pow(2).mean()
    opt.zero_grad(); loss.backward(); opt.step()
