"""The image is the parameter: LBFGS over pixels, fixed random features."""
import torch
from torch import nn

torch.manual_seed(0)
features = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3)).requires_grad_(False)
target = features(torch.rand(1, 1, 8, 8))
image = torch.rand(1, 1, 8, 8, requires_grad=True)
opt = torch.optim.LBFGS([image], lr=0.5, max_iter=4)

def closure():
    opt.zero_grad()
    loss = (features(image.clamp(0, 1)) - target).pow(2).mean() * 100
    loss.backward()
    return loss

for _ in range(5):
    opt.step(closure)
