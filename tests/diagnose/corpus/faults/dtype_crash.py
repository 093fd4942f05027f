import torch, torch.nn as nn
m = nn.Linear(3, 2)
x = torch.randn(4, 3, dtype=torch.float64)  # FAULT
# MENDED x = torch.randn(4, 3)
out = m(x)  # CAUSE uncaught-exception
out.sum().backward()
