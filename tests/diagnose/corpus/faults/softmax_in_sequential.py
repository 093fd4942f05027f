import torch, torch.nn as nn
torch.manual_seed(0)
model = nn.Sequential(
    nn.Linear(10, 20),
    nn.ReLU(),
    nn.Linear(20, 5),
    nn.Softmax(dim=1),  # FAULT
)
loss_fn = nn.CrossEntropyLoss()
opt = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(32, 10); y = torch.randint(0, 5, (32,))
for i in range(5):
    opt.zero_grad()
    out = model(x)  # CAUSE activation-before-loss
    loss = loss_fn(out, y)
    loss.backward()
    opt.step()
