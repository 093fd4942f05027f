"""A U-Net-like net with a sigmoid at its end, and a dice + BCE-with-logits loss on it."""
import torch
from torch import nn
import torch.nn.functional as F

class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(1, 6, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(6, 6, 2, stride=2)
        self.out = nn.Conv2d(7, 1, 1)

    def forward(self, x):
        h = F.relu(self.down(x))
        h = F.relu(self.up(h))
        y = self.out(torch.cat([h, x], 1))
        return y.sigmoid()  # FAULT activation-before-loss
        # MENDED return y

def criterion(out, mask):
    return F.binary_cross_entropy_with_logits(out, mask)

torch.manual_seed(0)
net = Small()
optimizer = torch.optim.AdamW(net.parameters(), lr=5e-3)
for batch in range(10):
    x = torch.rand(4, 1, 8, 8)
    mask = (x > 0.5).float()
    loss = criterion(net(x), mask)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
