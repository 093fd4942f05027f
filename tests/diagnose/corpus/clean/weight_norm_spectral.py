import torch, torch.nn as nn
torch.manual_seed(0)
m = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 6)), nn.ReLU(), nn.utils.parametrizations.spectral_norm(nn.Linear(6, 1)))
opt = torch.optim.Adam(m.parameters(), lr=.01)
x, y = torch.randn(10, 4), torch.randn(10, 1)
for i in range(4):
    loss = nn.functional.mse_loss(m(x), y)
    opt.zero_grad(); loss.backward(); opt.step()
