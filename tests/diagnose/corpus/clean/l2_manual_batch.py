import torch
torch.manual_seed(0)
params = {"W1": torch.randn(4, 8) * .3, "b1": torch.zeros(8), "W2": torch.randn(8, 2) * .3, "b2": torch.zeros(2)}
for p in params.values(): p.requires_grad_(True)
x, y = torch.randn(20, 4), torch.randint(0, 2, (20,))
for e in range(6):
    h = (x @ params["W1"] + params["b1"]).clamp(min=0)
    out = h @ params["W2"] + params["b2"]
    logp = out - out.logsumexp(1, keepdim=True)
    loss = -logp[range(20), y].mean() + 1e-3 * sum((p ** 2).sum() for p in params.values())
    grads = torch.autograd.grad(loss, list(params.values()))
    with torch.no_grad():
        for p, g in zip(params.values(), grads):
            p.sub_(.1 * g)
