import torch
torch.manual_seed(0)
w = torch.randn(3); log_lr = torch.tensor(-3., requires_grad=True); meta = torch.optim.Adam([log_lr], .05)
A = torch.randn(10, 3)
for outer in range(5):
    p = w.clone().requires_grad_()
    cur = p
    for inner in range(3):
        g, = torch.autograd.grad((A @ cur).pow(2).mean(), cur, create_graph=True)
        cur = cur - log_lr.exp() * g
    meta.zero_grad(); (A @ cur).pow(2).mean().backward(); meta.step()
