import torch
from torch import nn
torch.manual_seed(0)
net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 64, 10))
optimizer = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
criterion = nn.CrossEntropyLoss()
for epoch in range(2):
    for batch in range(3):
        images, labels = torch.randn(4, 3, 16, 16), torch.randint(0, 10, (4,))
        # MENDED optimizer.zero_grad()
        outputs = net(images)
        loss = criterion(outputs, labels)
        loss.backward()  # CAUSE missing-zero-grad
        optimizer.step()
