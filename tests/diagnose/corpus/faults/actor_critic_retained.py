"""Actor critic over a recurrent state that is never cut; retain_graph=True keeps it going, slower each time."""
import torch
from torch import nn

class Agent(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.GRUCell(4, 12)
        self.pi, self.v = nn.Linear(12, 2), nn.Linear(12, 1)

    def forward(self, obs, h):
        h = self.cell(obs, h)  # CAUSE graph-across-iterations
        return self.pi(h), self.v(h), h

torch.manual_seed(0)
agent = Agent()
optimizer = torch.optim.SGD(agent.parameters(), lr=0.0)
h = torch.zeros(1, 12)
for t in range(10):
    logits, value, h = agent(torch.randn(1, 4), h)
    pi = torch.distributions.Categorical(logits=logits)
    action = pi.sample()
    reward = (action == 1).float()
    advantage = reward - value.squeeze(-1)
    loss = (-pi.log_prob(action) * advantage.detach() + advantage**2).mean()
    optimizer.zero_grad()
    loss.backward(retain_graph=True)  # FAULT
    # MENDED loss.backward()
    optimizer.step()
    # MENDED h = h.detach()
