import torch, torch.nn as nn
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 1))
opt = torch.optim.Adam(model.parameters(), lr=1e-2)
x = torch.randn(40, 6); y = torch.randn(40, 1)
for epoch in range(3):
    # MENDED model.train()
    for i in range(0, 30, 10):
        opt.zero_grad()
        nn.functional.mse_loss(model(x[i:i + 10]), y[i:i + 10]).backward()
        opt.step()
    # MENDED model.eval()
    with torch.no_grad():
        val = nn.functional.mse_loss(model(x[30:]), y[30:])  # CAUSE evaluation-mode
    print(val.item())
