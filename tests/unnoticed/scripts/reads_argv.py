"""Looks around: arguments, standard input, a neighbour module, itself."""

import os
import sys

import neighbour
import torch
from digest import dump

print(sys.argv[1:], os.path.basename(sys.argv[0]), sys.stdin.read().split())
print(__name__, __doc__, __package__, __spec__, os.path.basename(__file__), sorted(globals()))
print(os.path.samefile(sys.path[0], os.path.dirname(__file__)), sys.modules["__main__"].dump is dump)
print(sys.flags.optimize, sys.excepthook is sys.__excepthook__, sys.stdin.isatty(), sys.stdout.encoding)
print(sorted(name for name in os.environ if "BACKSTEP" in name.upper()))

w = torch.ones(3, requires_grad=True)
neighbour.double(w).sum().backward()

dump(w=w)
