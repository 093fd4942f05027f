import torch
from torch import nn
torch.manual_seed(0)
class A2C:
    def __init__(self):
        self.body = nn.Linear(4, 6); self.pi = nn.Linear(6, 2); self.v = nn.Linear(6, 1)
        self.opt_pi = torch.optim.Adam([*self.body.parameters(), *self.pi.parameters()], 1e-3)
        self.opt_v = torch.optim.Adam([*self.body.parameters(), *self.v.parameters()], 1e-3)
    def update(self, s, a, r):
        h = torch.tanh(self.body(torch.tanh(self.body(s)[:, :4])))
        lp = torch.log_softmax(self.pi(h), -1).gather(1, a)
        v = self.v(h)
        loss_v = (v - r).pow(2).mean()
        loss_pi = -(lp * (r - v.detach())).mean()
        self.opt_v.zero_grad(); loss_v.backward(retain_graph=True); self.opt_v.step()  # CAUSE inplace-modification
        # MENDED return
        self.opt_pi.zero_grad(); loss_pi.backward(); self.opt_pi.step()
agent = A2C()
agent.update(torch.randn(5, 4), torch.randint(0, 2, (5, 1)), torch.randn(5, 1))
