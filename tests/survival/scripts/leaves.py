"""Leaves the proper way, with a number."""

import sys

import torch

w = torch.tensor(3.0, requires_grad=True)
(w * w).backward()
sys.exit(7)
