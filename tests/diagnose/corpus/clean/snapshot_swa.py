"""Stochastic weight averaging, with the batch norm's statistics renewed at the end."""
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, SWALR, update_bn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 1))
swa = AveragedModel(model)
opt = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True)
sched = SWALR(opt, swa_lr=0.02, anneal_epochs=2)
data = [(x := torch.randn(16, 4), x.sum(1, keepdim=True)) for _ in range(4)]
for epoch in range(6):
    for x, y in data:
        opt.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        opt.step()
    if epoch > 2:
        swa.update_parameters(model)
        sched.step()
update_bn((x for x, _ in data), swa)
swa.eval()
print(nn.functional.mse_loss(swa(data[0][0]), data[0][1]).item())
