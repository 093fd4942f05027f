import torch
torch.manual_seed(3)
w = torch.tensor(2.0, requires_grad=True)
opt = torch.optim.SGD([w], lr=0.05)
for _ in range(40):
    x = torch.randn(1)
    loss = (w * x - 2 * x + torch.randn(1)).pow(2).mean()
    opt.zero_grad(); loss.backward(); opt.step()
