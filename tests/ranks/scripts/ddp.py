"""`DistributedDataParallel`: the gradients are averaged in C++ while the backward pass runs."""

import torch
import torch.distributed as dist
from torch import nn

dist.init_process_group("gloo")
rank = dist.get_rank()
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
parallel = nn.parallel.DistributedDataParallel(model)
optimizer = torch.optim.SGD(parallel.parameters(), lr=0.1)
for step in range(3):
    torch.manual_seed(10 * step + rank)
    loss = parallel(torch.randn(4, 3)).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"rank {rank}: {[p.sum().item() for p in model.parameters()]}", flush=True)
dist.destroy_process_group()
