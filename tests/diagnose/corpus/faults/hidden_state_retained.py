"""retain_graph=True hides that the hidden state is never detached: each pass is longer than the last."""

import torch

torch.manual_seed(0)
decay = torch.tensor(0.9, requires_grad=True)
gain = torch.tensor(0.5, requires_grad=True)
state = torch.zeros(4)
for t in range(8):
    # MENDED state = state.detach()
    state = torch.tanh(decay * state + gain * torch.randn(4))  # CAUSE graph-across-iterations
    loss = (state - 1).pow(2).mean()
    decay.grad = gain.grad = None
    loss.backward(retain_graph=True)
    decay.data -= 0.01 * decay.grad
    gain.data -= 0.01 * gain.grad
