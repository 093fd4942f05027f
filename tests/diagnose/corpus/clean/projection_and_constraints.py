import torch
torch.manual_seed(0)
p = torch.full((4,), .25, requires_grad=True); c = torch.tensor([1., 2., 3., 4.])
for i in range(10):
    loss = (p * c).sum() + .1 * (p * p.log()).sum()
    loss.backward()
    with torch.no_grad():
        p.sub_(p.grad, alpha=.01).clamp_(min=1e-4).div_(p.sum())
        p.grad.zero_()
