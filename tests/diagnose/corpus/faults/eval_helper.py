import torch, torch.nn as nn
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.4), nn.Linear(16, 3))
opt = torch.optim.Adam(model.parameters(), lr=1e-2)
x = torch.randn(40, 6); y = torch.randint(0, 3, (40,))
def evaluate():
    model.eval()  # CAUSE evaluation-mode
    with torch.no_grad():
        return (model(x[30:]).argmax(1) == y[30:]).float().mean().item()
def train_epoch():
    # MENDED model.train()
    for i in range(0, 30, 10):
        opt.zero_grad()
        nn.functional.cross_entropy(model(x[i:i + 10]), y[i:i + 10]).backward()
        opt.step()
for epoch in range(3):
    train_epoch()
    print(evaluate())
