import torch
from torch import nn
torch.manual_seed(0)
m = nn.Linear(5, 1); opt = torch.optim.SGD(m.parameters(), lr=.2)
x = torch.randn(40, 5); y = (x.sum(1) > 0).float()
tp = torch.zeros(()); 
for e in range(6):
    logit = m(x).squeeze(-1)
    loss = nn.functional.binary_cross_entropy_with_logits(logit, y, pos_weight=torch.tensor(1.5))
    opt.zero_grad(); loss.backward(); opt.step()
    pred = torch.sigmoid(logit) > .5
    tp += (pred & y.bool()).sum()
    if loss < .1: break
