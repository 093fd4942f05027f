"""Every rank has data of its own; gradients are summed by hand. With DRIFT set, rank 1 goes its own way once."""

import os

import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank, count = dist.get_rank(), dist.get_world_size()
w = torch.ones(3, requires_grad=True)
for step in range(3):
    x = torch.full((3,), float(rank + step))
    (w * x).sum().backward()
    if step == 2:
        dist.all_reduce(w.grad, async_op=True).wait()
    else:
        dist.all_reduce(w.grad)
    with torch.no_grad():
        w -= 0.1 * w.grad / count
        if rank == 1 and step == 1 and os.environ.get("DRIFT"):
            w += 1e-3
    w.grad = None
total = torch.tensor(float(rank))
dist.broadcast(total, src=count - 1)
print(f"rank {rank}: {w.tolist()} {total.item()}", flush=True)
dist.destroy_process_group()
