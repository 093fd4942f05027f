"""A compiled training step: one graph, no break, and the numbers of the compiled code."""

import torch
from digest import dump
from torch import nn
from torch._dynamo.utils import counters

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
x, y = torch.randn(8, 4), torch.randn(8, 2)


@torch.compile(backend="aot_eager", fullgraph=True)
def compute_loss(x, y):
    return (model(x) - y).pow(2).mean() * torch.ones(())


for _ in range(3):
    loss = compute_loss(x, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(loss.item())

print("graphs", counters["stats"]["unique_graphs"], "breaks", dict(counters["graph_break"]))
dump(model=model, optimizer=optimizer, loss=loss)
