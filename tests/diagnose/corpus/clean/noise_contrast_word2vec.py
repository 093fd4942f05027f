import torch
from torch import nn
import torch.nn.functional as F
torch.manual_seed(0)
inp, out = nn.Embedding(12, 5), nn.Embedding(12, 5); opt = torch.optim.SGD([*inp.parameters(), *out.parameters()], lr=.1)
for i in range(6):
    c, o, neg = torch.randint(0, 12, (8,)), torch.randint(0, 12, (8,)), torch.randint(0, 12, (8, 3))
    v = inp(c); pos = F.logsigmoid((v * out(o)).sum(1)); n = F.logsigmoid(-(out(neg) @ v[:, :, None]).squeeze(-1)).sum(1)
    loss = -(pos + n).mean()
    opt.zero_grad(); loss.backward(); opt.step()
