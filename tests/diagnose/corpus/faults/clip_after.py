import torch, torch.nn as nn
torch.manual_seed(0)
m = nn.GRU(3, 4, batch_first=True); opt = torch.optim.Adam(m.parameters(), lr=1e-2)
x = torch.randn(5, 7, 3)
for i in range(4):
    opt.zero_grad()
    loss = m(x)[0].pow(2).mean()
    loss.backward()
    # MENDED torch.nn.utils.clip_grad_value_(m.parameters(), 0.01)
    opt.step()
    torch.nn.utils.clip_grad_value_(m.parameters(), 0.01)  # FAULT clip-misplaced
