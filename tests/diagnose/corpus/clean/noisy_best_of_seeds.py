import torch
from torch import nn
best = None
for seed in range(4):
    torch.manual_seed(seed)
    m = nn.Sequential(nn.Linear(2, 6), nn.Sigmoid(), nn.Linear(6, 1)); opt = torch.optim.Adam(m.parameters(), .05)
    x = torch.tensor([[0., 0.], [0., 1.], [1., 0.], [1., 1.]]); y = torch.tensor([[0.], [1.], [1.], [0.]])
    for i in range(12):
        loss = nn.functional.binary_cross_entropy_with_logits(m(x), y)
        opt.zero_grad(); loss.backward(); opt.step()
    if best is None or loss.item() < best[0]: best = (loss.item(), m)
