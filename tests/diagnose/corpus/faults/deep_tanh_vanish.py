import torch, torch.nn as nn
torch.manual_seed(0)
layers = []
for _ in range(10):
    lin = nn.Linear(16, 16)
    nn.init.normal_(lin.weight, std=0.02)  # FAULT
    # MENDED nn.init.xavier_normal_(lin.weight)
    layers += [lin, nn.Tanh()]
model = nn.Sequential(*layers, nn.Linear(16, 1))
opt = torch.optim.SGD(model.parameters(), lr=0.01)
x = torch.randn(32, 16); y = torch.randn(32, 1)
for i in range(5):
    opt.zero_grad()
    out = model(x)  # CAUSE gradient-scale
    loss = nn.functional.mse_loss(out, y)
    loss.backward()
    opt.step()
