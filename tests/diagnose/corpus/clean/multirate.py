import torch, torch.nn as nn
torch.manual_seed(0)
emb, net = nn.Embedding(6, 4), nn.Linear(4, 1)
oe, on = torch.optim.SGD(emb.parameters(), lr=.1), torch.optim.SGD(net.parameters(), lr=.1)
for i in range(8):
    idx = torch.randint(0, 6, (5,))
    loss = net(emb(idx)).pow(2).mean()
    on.zero_grad()
    loss.backward()
    on.step()
    if i % 4 == 3:
        oe.step(); oe.zero_grad()
