import torch
torch.manual_seed(0)
a = torch.randn(5, 3); b = a + 0.1 * torch.randn(5, 3)
b[0] = 2 * torch.tensor([0.5, 0.25, 0.125])
a[0] = torch.tensor([0.5, 0.25, 0.125])
b.requires_grad_()
opt = torch.optim.SGD([b], lr=0.01)
for i in range(3):
    cos = (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1))
    angle = torch.acos(cos.clamp(-1, 1))  # FAULT non-finite
    # MENDED angle = torch.acos(cos.clamp(-1 + 1e-6, 1 - 1e-6))
    loss = angle.mean()
    opt.zero_grad(); loss.backward(); opt.step()
