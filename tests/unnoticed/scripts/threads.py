"""Forward and backward passes in Python threads, beside the main one."""

import threading

import torch
from digest import dump

torch.manual_seed(0)
w = torch.randn(3, requires_grad=True)
results = {}


def train(name, seed):
    v = torch.arange(3.0, requires_grad=True)
    for _ in range(3):
        loss = (v * seed).sin().sum()
        loss.backward()
        with torch.no_grad():
            v -= 0.1 * v.grad
    results[name] = v


workers = [threading.Thread(target=train, args=(f"thread {seed}", seed)) for seed in (2, 3)]
for worker in workers:
    worker.start()
train("main", 5)
for worker in workers:
    worker.join()

lost = threading.Thread(target=lambda: (w * torch.ones(4)).sum(), name="lost")
lost.start()
lost.join()
(w * w).sum().backward()
print(sorted(results))

dump(w=w, results=dict(sorted(results.items())))
