import torch, torch.nn as nn
torch.manual_seed(0)
lm = nn.Sequential(nn.Linear(6, 12), nn.GELU(), nn.Linear(12, 4))
lm.requires_grad_(False)
prompt = nn.Parameter(torch.randn(6) * .1)
opt = torch.optim.Adam([prompt], lr=.1)
x, y = torch.randn(10, 6), torch.randint(0, 4, (10,))
for i in range(5):
    loss = nn.functional.cross_entropy(lm(x + prompt), y)
    opt.zero_grad(); loss.backward(); opt.step()
