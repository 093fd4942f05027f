"""A forward algorithm with -inf masks: infinities on purpose, no NaN."""
import torch
from torch import nn

torch.manual_seed(0)
emit = nn.Linear(6, 4)
trans = nn.Parameter(torch.randn(4, 4) * 0.1)
opt = torch.optim.Adam([*emit.parameters(), trans], 1e-2)
forbidden = torch.zeros(4, 4, dtype=torch.bool)
forbidden[0, 3] = True
for _ in range(12):
    x = torch.randn(5, 7, 6)
    tags = torch.randint(0, 3, (5, 7))
    scores = emit(x)
    t = trans.masked_fill(forbidden, float("-inf"))
    alpha = scores[:, 0]
    gold = scores[:, 0].gather(1, tags[:, :1]).squeeze(1)
    for i in range(1, 7):
        alpha = torch.logsumexp(alpha[:, :, None] + t[None], 1) + scores[:, i]
        gold = gold + trans[tags[:, i - 1], tags[:, i]] + scores[:, i].gather(1, tags[:, i : i + 1]).squeeze(1)
    loss = (torch.logsumexp(alpha, 1) - gold).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
