import torch, torch.nn as nn, torch.nn.functional as F
torch.manual_seed(0)
net = nn.Sequential(nn.Linear(5, 10), nn.ReLU(), nn.Linear(10, 4))
opt = torch.optim.Adam(net.parameters(), lr=.01)
for i in range(5):
    a, p, n = torch.randn(6, 5), torch.randn(6, 5), torch.randn(6, 5)
    loss = F.triplet_margin_loss(net(a), net(p), net(n))
    opt.zero_grad(); loss.backward(); opt.step()
