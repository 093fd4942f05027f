import torch, torch.nn as nn
torch.manual_seed(0)
m = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3)).eval()
for i in range(4):
    img = torch.randn(1, 1, 6, 6, requires_grad=True)
    score = m(img)[0].max()
    score.backward()
    sal = img.grad.abs().max()
    m.zero_grad()
