"""Truncated BPTT with the state detached in a helper."""
import torch
from torch import nn

def repackage(state):
    return state.detach() if isinstance(state, torch.Tensor) else tuple(repackage(s) for s in state)

torch.manual_seed(0)
lstm, head = nn.LSTM(4, 12), nn.Linear(12, 4)
params = [*lstm.parameters(), *head.parameters()]
opt = torch.optim.Adam(params, lr=1e-3)
series = torch.randn(101, 6, 4).cumsum(0) / 10
state = None
for i in range(0, 100, 10):
    if state is not None:
        state = repackage(state)
    out, state = lstm(series[i : i + 10], state)
    loss = nn.functional.mse_loss(head(out), series[i + 1 : i + 11])
    opt.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(params, 0.25)
    opt.step()
