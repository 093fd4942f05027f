import torch, torch.nn as nn
torch.manual_seed(0)
G, D = nn.Linear(4, 3), nn.Linear(3, 1)
og, od = torch.optim.SGD(G.parameters(), lr=.01), torch.optim.SGD(D.parameters(), lr=.01)
bce = nn.functional.binary_cross_entropy_with_logits
for i in range(6):
    z, real = torch.randn(5, 4), torch.randn(5, 3)
    og.zero_grad()
    g_loss = bce(D(G(z)), torch.ones(5, 1))
    g_loss.backward()  # CAUSE gradient-leak
    og.step()
    # MENDED od.zero_grad()
    d_loss = bce(D(real), torch.ones(5, 1)) + bce(D(G(z).detach()), torch.zeros(5, 1))
    d_loss.backward()
    od.step()
    od.zero_grad()
