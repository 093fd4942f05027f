import torch
from torch import nn


class Agent:
    def __init__(self):
        self.q = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
        self.target = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
        self.opt = torch.optim.Adam(self.q.parameters(), lr=1e-3)

    def learn(self, s, a, r, s2):
        # MENDED self.opt.zero_grad()
        goal = r + 0.9 * self.target(s2).max(1)[0].detach()
        pred = self.q(s).gather(1, a).squeeze(1)
        loss = nn.functional.mse_loss(pred, goal)
        loss.backward()  # CAUSE missing-zero-grad
        self.opt.step()


torch.manual_seed(0)
agent = Agent()
for step in range(8):
    agent.learn(torch.randn(6, 3), torch.randint(0, 2, (6, 1)), torch.rand(6), torch.randn(6, 3))
