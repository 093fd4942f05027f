import torch
from torch import nn
torch.manual_seed(0)
body, head1, head2 = nn.Linear(4, 6), nn.Linear(6, 2), nn.Linear(6, 3)
opt = torch.optim.Adam(list(body.parameters()) + list(head1.parameters()), 1e-2)  # FAULT not-updated
# MENDED opt = torch.optim.Adam([*body.parameters(), *head1.parameters(), *head2.parameters()], 1e-2)
x, y1, y2 = torch.randn(12, 4), torch.randint(0, 2, (12,)), torch.randint(0, 3, (12,))
for i in range(5):
    h = torch.relu(body(x))
    loss = nn.functional.cross_entropy(head1(h), y1) + nn.functional.cross_entropy(head2(h), y2)
    opt.zero_grad(); loss.backward(); opt.step()
