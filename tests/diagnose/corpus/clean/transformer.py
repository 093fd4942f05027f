import torch, torch.nn as nn
torch.manual_seed(0)
layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=.1)
model = nn.TransformerEncoder(layer, 2); head = nn.Linear(8, 3)
opt = torch.optim.Adam([*model.parameters(), *head.parameters()], lr=1e-3)
x, y = torch.randn(4, 5, 8), torch.randint(0, 3, (4,))
for i in range(3):
    model.train()
    loss = nn.functional.cross_entropy(head(model(x).mean(1)), y)
    opt.zero_grad(); loss.backward(); opt.step()
    model.eval()
    with torch.no_grad():
        head(model(x).mean(1)).argmax(1)
