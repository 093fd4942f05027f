"""Evolution strategies: weights change with no backward pass; a gradient-trained baseline beside."""
import torch
from torch import nn

torch.manual_seed(0)
policy = nn.Linear(4, 2)
baseline = nn.Linear(4, 1)
opt = torch.optim.SGD(baseline.parameters(), lr=0.05)
for gen in range(8):
    s = torch.randn(16, 4)
    noise = torch.randn(5, 2, 4)
    with torch.no_grad():
        scores = torch.stack([(s @ (policy.weight + 0.1 * n).T).argmax(1).float().mean() for n in noise])
        policy.weight += 0.02 * torch.einsum("n,nij->ij", scores - scores.mean(), noise)
    loss = (baseline(s) - scores.mean()).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
