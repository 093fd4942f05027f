import torch
from torch import nn
import torch.nn.functional as F
torch.manual_seed(0)
class Block(nn.Module):
    def __init__(s, d):
        super().__init__()
        s.ln1, s.ln2 = nn.LayerNorm(d), nn.LayerNorm(d); s.qkv, s.o = nn.Linear(d, 3 * d), nn.Linear(d, d)
        s.mlp = nn.Sequential(nn.Linear(d, 4 * d), nn.GELU(), nn.Linear(4 * d, d)); s.drop = nn.Dropout(.1)
    def forward(s, x):
        B, T, D = x.shape
        q, k, v = s.qkv(s.ln1(x)).view(B, T, 3, 2, D // 2).permute(2, 0, 3, 1, 4)
        a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + s.drop(s.o(a.transpose(1, 2).reshape(B, T, D)))
        return x + s.drop(s.mlp(s.ln2(x)))
class GPT(nn.Module):
    def __init__(s):
        super().__init__()
        s.tok, s.pos = nn.Embedding(20, 16), nn.Parameter(torch.zeros(1, 12, 16)); s.blocks = nn.ModuleList(Block(16) for _ in range(3)); s.ln = nn.LayerNorm(16); s.head = nn.Linear(16, 20, bias=False)
        s.head.weight = s.tok.weight
    def forward(s, i):
        x = s.tok(i) + s.pos[:, :i.shape[1]]
        for b in s.blocks: x = b(x)
        return s.head(s.ln(x))
m = GPT(); opt = torch.optim.AdamW(m.parameters(), 3e-3, betas=(.9, .95))
data = torch.randint(0, 20, (200,))
for it in range(6):
    for g in opt.param_groups: g["lr"] = 3e-3 * min(1, (it + 1) / 3)
    ix = torch.randint(0, 187, (4,)); xb = torch.stack([data[i:i + 12] for i in ix]); yb = torch.stack([data[i + 1:i + 13] for i in ix])
    loss = F.cross_entropy(m(xb).view(-1, 20), yb.view(-1))
    opt.zero_grad(set_to_none=True); loss.backward(); torch.nn.utils.clip_grad_norm_(m.parameters(), 1.); opt.step()
    if it % 3 == 2:
        m.eval()
        with torch.no_grad():
            est = torch.stack([F.cross_entropy(m(xb).view(-1, 20), yb.view(-1)) for _ in range(2)]).mean()
        m.train()
