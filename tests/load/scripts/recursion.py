"""Recursion up to where Python ends it, twice: once short of the limit, once over it."""

import sys

import torch

w = torch.tensor(1.0, requires_grad=True)


def deeper(depth: int) -> torch.Tensor:
    return w * 1.0 if depth == 0 else deeper(depth - 1) + 1e-3


deeper(sys.getrecursionlimit() - 60).backward()
print(w.grad.item())
try:
    deeper(sys.getrecursionlimit() + 10)
except RecursionError:
    print("too deep")
