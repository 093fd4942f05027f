import copy, torch
from torch import nn
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(5, 12), nn.ELU(), nn.Linear(12, 1))
opt = torch.optim.Adam(model.parameters(), lr=3e-2)
x, y = torch.randn(40, 5), torch.randn(40, 1)
best, best_state, bad = float("inf"), None, 0
for epoch in range(30):
    model.train(); opt.zero_grad()
    nn.functional.mse_loss(model(x[:30]), y[:30]).backward()
    opt.step()
    model.eval()
    with torch.no_grad():
        val = nn.functional.mse_loss(model(x[30:]), y[30:]).item()
    if val < best - 1e-4:
        best, best_state, bad = val, copy.deepcopy(model.state_dict()), 0
    else:
        bad += 1
        if bad >= 3:
            break
model.load_state_dict(best_state)
