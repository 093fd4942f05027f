import torch
torch.manual_seed(0)
w = torch.randn(3, requires_grad=True)
for i in range(6):
    loss = (w ** 4).sum() + (w[0] * w[1]) ** 2
    g, = torch.autograd.grad(loss, w, create_graph=True)
    H = torch.stack([torch.autograd.grad(g[k], w, retain_graph=True)[0] for k in range(3)])
    with torch.no_grad():
        w -= torch.linalg.solve(H + 0.1 * torch.eye(3), g)
