import torch, torch.nn as nn
torch.manual_seed(0)
w = torch.tensor([1.0, 2.0], requires_grad=True)
x = torch.randn(6, 2)
y = x @ torch.tensor([1.0, 2.0])
opt = torch.optim.SGD([w], lr=.1)
for i in range(3):
    mse = ((x @ w - y) ** 2).mean()
    rmse = torch.sqrt(mse)  # FAULT non-finite
    # MENDED rmse = torch.sqrt(mse + 1e-8)
    opt.zero_grad(); rmse.backward(); opt.step()
