import torch
from torch import nn
torch.manual_seed(0)
enc, dec, emb, out = nn.GRU(6, 10, batch_first=True), nn.GRUCell(6, 10), nn.Embedding(8, 6), nn.Linear(10, 8)
params = [p for m in (enc, dec, emb, out) for p in m.parameters()]
opt = torch.optim.Adam(params, lr=1e-2)
src, tgt = torch.randint(0, 8, (4, 5)), torch.randint(0, 8, (4, 5))
for it in range(4):
    _, h = enc(emb(src)); h = h[0]
    inp = torch.zeros(4, dtype=torch.long); loss = 0
    for t in range(5):
        h = dec(emb(inp), h)
        logit = out(h)
        loss = loss + nn.functional.cross_entropy(logit, tgt[:, t])
        inp = tgt[:, t] if torch.rand(1).item() < .5 else logit.argmax(1)
    opt.zero_grad(); (loss / 5).backward(); nn.utils.clip_grad_norm_(params, 1.); opt.step()
