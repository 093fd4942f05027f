"""Leaves by `os._exit`: no exit handler, no `finally`, nobody told."""

import os
import time

import torch

w = torch.tensor(3.0, requires_grad=True)
(w * w).backward()
print("leaving", flush=True)
time.sleep(1.5)
os._exit(3)
