import itertools, torch
from torch import nn
torch.manual_seed(0)
AB, BA, DA, DB = (nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, o)) for o in (3, 3, 1, 1))
og = torch.optim.Adam(itertools.chain(AB.parameters(), BA.parameters()), 1e-3)
od = torch.optim.Adam(itertools.chain(DA.parameters(), DB.parameters()), 1e-3)
mse, l1 = nn.MSELoss(), nn.L1Loss()
for i in range(4):
    a, b = torch.randn(6, 3), torch.randn(6, 3) + 1
    for p in itertools.chain(DA.parameters(), DB.parameters()): p.requires_grad_(False)
    og.zero_grad()
    fb, fa = AB(a), BA(b)
    g = mse(DB(fb), torch.ones(6, 1)) + mse(DA(fa), torch.ones(6, 1)) + 10 * (l1(BA(fb), a) + l1(AB(fa), b))
    g.backward(); og.step()
    for p in itertools.chain(DA.parameters(), DB.parameters()): p.requires_grad_(True)
    od.zero_grad()
    d = mse(DA(a), torch.ones(6, 1)) + mse(DA(fa.detach()), torch.zeros(6, 1)) + mse(DB(b), torch.ones(6, 1)) + mse(DB(fb.detach()), torch.zeros(6, 1))
    d.backward(); od.step()
