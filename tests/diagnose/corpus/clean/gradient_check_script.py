import torch
torch.manual_seed(0)
f = lambda x: (x.sin() * x).sum()
x = torch.randn(5, dtype=torch.float64, requires_grad=True)
f(x).backward()
num = torch.stack([(f(x + 1e-6 * e) - f(x - 1e-6 * e)) / 2e-6 for e in torch.eye(5, dtype=torch.float64)])
assert torch.allclose(num, x.grad, atol=1e-6)
assert torch.autograd.gradcheck(f, (x,))
