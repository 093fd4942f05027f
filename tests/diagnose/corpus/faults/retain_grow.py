import torch, torch.nn as nn
torch.manual_seed(0)
w = torch.randn(3, 3, requires_grad=True)
h = torch.zeros(1, 3)
opt = torch.optim.Adam([w], lr=1e-3)
for t in range(8):
    # MENDED h = h.detach()
    h = torch.tanh(h * 0.5 + torch.randn(1, 3) * w.sum())  # CAUSE graph-across-iterations
    loss = h.pow(2).mean()
    opt.zero_grad()
    loss.backward(retain_graph=True)
    opt.step()
