import torch, torch.nn as nn
torch.manual_seed(0)
G, C = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2)), nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))
og, oc = torch.optim.RMSprop(G.parameters(), lr=1e-4), torch.optim.RMSprop(C.parameters(), lr=1e-4)
for it in range(4):
    for _ in range(3):
        oc.zero_grad()
        loss = C(G(torch.randn(6, 2)).detach()).mean() - C(torch.randn(6, 2) + 3).mean()
        loss.backward(); oc.step()
        for p in C.parameters():
            p.data.clamp_(-.01, .01)
    og.zero_grad()
    (-C(G(torch.randn(6, 2))).mean()).backward()
    og.step()
