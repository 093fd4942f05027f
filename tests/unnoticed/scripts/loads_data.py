"""A DataLoader with two forked workers, each drawing random numbers of its own."""

import os
import random

import numpy as np
import torch
from digest import dump
from torch import nn
from torch.utils.data import DataLoader, Dataset, get_worker_info


class Noisy(Dataset):
    def __len__(self):
        return 12

    def __getitem__(self, index):
        x = torch.full((3,), float(index)) + torch.randn(3)
        assert get_worker_info() is not None
        return x * 0.1, torch.tensor([random.random() + np.random.rand()])


def seed(worker):
    random.seed(worker)
    np.random.seed(worker)


torch.manual_seed(0)
parent = os.getpid()
loader = DataLoader(
    Noisy(), batch_size=4, shuffle=True, num_workers=2, worker_init_fn=seed, multiprocessing_context="fork"
)
model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
optimizer = torch.optim.RMSprop(model.parameters(), lr=0.01)

batches = []
for epoch in range(2):
    for x, y in loader:
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        batches.append(x)
    print(epoch, loss.item())
assert os.getpid() == parent

dump(model=model, optimizer=optimizer, batches=batches)
