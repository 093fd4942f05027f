import torch, torch.nn as nn
torch.manual_seed(0)
blocks = nn.ModuleList([nn.Linear(6, 6) for _ in range(3)]); out = nn.Linear(6, 1)
opt = torch.optim.SGD([*blocks.parameters(), *out.parameters()], lr=.05)
x, y = torch.randn(10, 6), torch.randn(10, 1)
for i in range(8):
    h = x
    for b in blocks:
        if torch.rand(()) < .5:
            h = h + torch.relu(b(h))
    loss = nn.functional.mse_loss(out(h), y)
    opt.zero_grad(); loss.backward(); opt.step()
