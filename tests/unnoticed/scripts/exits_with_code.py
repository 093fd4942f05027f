"""Leaves with a number, after its exit handlers and with text still in a buffer."""

import atexit
import sys

import torch

atexit.register(print, "at exit")
w = torch.ones(2, requires_grad=True)
(w * w).sum().backward()
sys.stdout.write("no newline at the end of this")
sys.exit(7)
