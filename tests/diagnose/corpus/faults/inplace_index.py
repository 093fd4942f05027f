import torch, torch.nn as nn
torch.manual_seed(0)
w = torch.randn(6, requires_grad=True)
state = w * 1.0
out = []
for t in range(1, 6):
    state[t] = state[t - 1] * w[t]  # FAULT inplace-modification
    # MENDED state = torch.cat([state[:t], (state[t - 1] * w[t]).reshape(1), state[t + 1:]])
loss = (state ** 2).sum()
loss.backward()
