import torch
from torch import nn
torch.manual_seed(0)
actor, critic = nn.Linear(3, 1), nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1))
a_opt, c_opt = torch.optim.Adam(actor.parameters(), 1e-3), torch.optim.Adam(critic.parameters(), 1e-3)
for i in range(12):
    s, r = torch.randn(8, 3), torch.rand(8, 1)
    c_loss = nn.functional.mse_loss(critic(torch.cat([s, torch.rand(8, 1)], 1)), r)
    c_opt.zero_grad(); c_loss.backward(); c_opt.step()
    if i % 3 == 2:
        a_loss = -critic(torch.cat([s, actor(s).tanh()], 1)).mean()
        a_opt.zero_grad(); a_loss.backward(); a_opt.step()
