"""Closes every file, as a daemon does, and opens files of its own, which get the numbers."""

import os
import sys

import torch

w = torch.tensor(1.0, requires_grad=True)


def train(steps):
    for _ in range(steps):
        loss = (w - 2) ** 2
        loss.backward()
        w.grad = None


train(40 if len(sys.argv) < 2 else int(sys.argv[1]))
os.closerange(3, 1024)
files = [open(f"own-{number}.txt", "w") for number in range(12)]  # noqa: SIM115 - closed below
train(40)
for number, file in enumerate(files):
    file.write(f"mine {number}")
    file.close()
print("done")
