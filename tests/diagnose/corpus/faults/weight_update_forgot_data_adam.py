import torch
torch.manual_seed(0)
w = torch.randn(4, 2, requires_grad=True); b = torch.zeros(2, requires_grad=True)
x = torch.randn(10, 4); y = torch.randint(0, 2, (10,))
params = [w, b]
for i in range(4):
    loss = torch.nn.functional.cross_entropy(x @ params[0] + params[1], y)
    loss.backward()
    params = [p - 0.1 * p.grad for p in params]  # FAULT leaf-replaced
    # MENDED params = [(p - 0.1 * p.grad).detach().requires_grad_() for p in params]
