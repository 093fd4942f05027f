"""Both kinds of activation checkpointing, with dropout, whose random numbers must come again in the recomputation."""

import torch
from digest import dump
from torch import nn
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

torch.manual_seed(0)
block = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Tanh(), nn.Linear(8, 4))
optimizer = torch.optim.SGD(block.parameters(), lr=0.1, momentum=0.9)
x = torch.randn(6, 4, requires_grad=True)


def chatty(x):
    print("recomputed" if torch._C._current_graph_task_id() != -1 else "computed")
    return block(x)


for use_reentrant in (True, False, False):
    y = checkpoint(chatty, x, use_reentrant=use_reentrant)
    z = checkpoint_sequential(block, 2, y, use_reentrant=use_reentrant)
    loss = z.square().sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(use_reentrant, loss.item())

dump(block=block, optimizer=optimizer, x=x, y=y, z=z)
