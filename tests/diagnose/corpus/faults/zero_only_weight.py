import torch
torch.manual_seed(0)
X = torch.randn(30, 2); Y = X @ torch.tensor([2., -3.]) + 0.5
w = torch.zeros(2, requires_grad=True)
b = torch.zeros((), requires_grad=True)
lr = 0.05
for it in range(10):
    pred = X @ w + b
    loss = torch.mean((pred - Y) ** 2)
    loss.backward()  # CAUSE missing-zero-grad
    w.data -= lr * w.grad
    b.data -= lr * b.grad
    w.grad.zero_()
    # MENDED b.grad.zero_()
