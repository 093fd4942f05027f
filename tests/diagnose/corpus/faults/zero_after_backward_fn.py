import torch, torch.nn as nn
def closure(model, opt, x, y):
    loss = nn.functional.cross_entropy(model(x), y)
    loss.backward()
    opt.zero_grad()  # FAULT zeroed-before-step
    return loss
torch.manual_seed(0)
m = nn.Linear(6, 3)
opt = torch.optim.Adam(m.parameters(), lr=1e-2)
x = torch.randn(20, 6); y = torch.randint(0, 3, (20,))
for e in range(6):
    # MENDED opt.zero_grad()
    l = closure(m, opt, x, y)
    opt.step()
