import random, torch
from torch import nn
random.seed(0); torch.manual_seed(0)
q, qt = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 2)), nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 2))
qt.load_state_dict(q.state_dict()); qt.eval()
opt = torch.optim.Adam(q.parameters(), 1e-3); buf = []
s = torch.randn(3)
for step in range(40):
    a = random.randrange(2) if random.random() < .3 else q(s.unsqueeze(0)).argmax().item()
    s2, r = torch.randn(3), random.random()
    buf.append((s, a, r, s2)); s = s2
    if len(buf) >= 16:
        b = random.sample(buf, 8)
        S, A, R, S2 = torch.stack([t[0] for t in b]), torch.tensor([t[1] for t in b]), torch.tensor([t[2] for t in b]), torch.stack([t[3] for t in b])
        target = R + .9 * qt(S2).max(1)[0].detach()
        pred = q(S).gather(1, A[:, None]).squeeze(1)
        loss = nn.functional.mse_loss(pred, target)
        opt.zero_grad(); loss.backward(); opt.step()
    if step % 10 == 9:
        for tp, p in zip(qt.parameters(), q.parameters()):
            tp.data.copy_(.1 * p.data + .9 * tp.data)
