import torch, torch.nn as nn
torch.manual_seed(0)
m = nn.Linear(3, 1); opt = torch.optim.SGD(m.parameters(), lr=.01)
for epoch in range(2):
    running = 0.0
    for i in range(6):
        x = torch.randn(5, 3)
        loss = m(x).pow(2).mean()
        opt.zero_grad(); loss.backward(); opt.step()
        running = running + loss  # FAULT graph-kept-alive
        # MENDED running = running + loss.item()
    print(epoch, float(running) / 6)
