import torch
from torch import nn
torch.manual_seed(0)
m = nn.Linear(4, 2); opt = torch.optim.SGD(m.parameters(), lr=0.1)
scaler = torch.amp.GradScaler("cpu", init_scale=1024.)
x, y = torch.randn(8, 4), torch.randint(0, 2, (8,))
for i in range(4):
    opt.zero_grad()
    loss = nn.functional.cross_entropy(m(x), y)
    scaler.scale(loss).backward()
    # MENDED scaler.unscale_(opt)
    nn.utils.clip_grad_norm_(m.parameters(), 1.0)  # CAUSE clip-misplaced
    scaler.step(opt); scaler.update()
