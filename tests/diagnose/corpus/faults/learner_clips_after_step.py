"""Clipping follows the step, in a training class."""
import torch
from torch import nn

class Learner:
    def __init__(self, net):
        self.net, self.opt = net, torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)

    def one_batch(self, x, y):
        self.opt.zero_grad()
        pred = self.net(x)
        loss = nn.functional.l1_loss(pred, y)
        loss.backward()
        # MENDED nn.utils.clip_grad_norm_(self.net.parameters(), 0.1)
        self.opt.step()
        nn.utils.clip_grad_norm_(self.net.parameters(), 0.1)  # FAULT clip-misplaced
        return loss.item()

torch.manual_seed(0)
learner = Learner(nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 3)))
history = []
for _ in range(10):
    x = torch.randn(8, 3)
    history.append(learner.one_batch(x, 3 * x.flip(1)))
