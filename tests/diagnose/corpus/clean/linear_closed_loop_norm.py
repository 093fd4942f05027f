import torch
torch.manual_seed(0)
X = torch.randn(50, 3); w_true = torch.tensor([1., 2., 3.]); y = X @ w_true + .1 * torch.randn(50)
w = torch.zeros(3, requires_grad=True)
prev = None
for it in range(200):
    loss = ((X @ w - y) ** 2).mean()
    loss.backward()
    with torch.no_grad():
        w -= .1 * w.grad
        if w.grad.norm() < 1e-4:
            break
    w.grad = None
