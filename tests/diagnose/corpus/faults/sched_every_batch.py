import torch, torch.nn as nn
torch.manual_seed(0)
m = nn.Linear(4, 1); opt = torch.optim.Adam(m.parameters(), lr=.1)
sch = torch.optim.lr_scheduler.ExponentialLR(opt, gamma=0.5)
x = torch.randn(32, 4); y = x.sum(1, keepdim=True)
for epoch in range(10):
    for i in range(0, 32, 8):
        opt.zero_grad()
        loss = nn.functional.mse_loss(m(x[i:i + 8]), y[i:i + 8])
        loss.backward()
        opt.step()  # CAUSE learning-rate
        sch.step()  # FAULT
    # MENDED sch.step()
