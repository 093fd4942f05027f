import torch, torch.nn as nn
torch.manual_seed(0)
m = nn.Linear(4, 1); opt = torch.optim.SGD(m.parameters(), lr=.05)
for step in range(4):
    opt.zero_grad()
    for micro in range(3):
        x = torch.randn(5, 4)
        (m(x).pow(2).mean() / 3).backward()
    opt.step()
