"""MoCo: a momentum encoder kept up by hand and a queue of old keys."""
import copy
import torch
from torch import nn
import torch.nn.functional as F

torch.manual_seed(0)
query = nn.Sequential(nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, 8))
key = copy.deepcopy(query)
for p in key.parameters():
    p.requires_grad = False
queue = F.normalize(torch.randn(32, 8), dim=1)
opt = torch.optim.SGD(query.parameters(), lr=0.03, momentum=0.9, weight_decay=1e-4)
for i in range(10):
    x = torch.randn(8, 12)
    q = F.normalize(query(x + 0.1 * torch.randn_like(x)), dim=1)
    with torch.no_grad():
        for a, b in zip(key.parameters(), query.parameters()):
            a.data = a.data * 0.99 + b.data * 0.01
        k = F.normalize(key(x + 0.1 * torch.randn_like(x)), dim=1)
    positive = (q * k).sum(1, keepdim=True)
    logits = torch.cat([positive, q @ queue.T], 1) / 0.2
    loss = F.cross_entropy(logits, torch.zeros(8, dtype=torch.long))
    opt.zero_grad()
    loss.backward()
    opt.step()
    queue = torch.cat([queue[8:], k])
