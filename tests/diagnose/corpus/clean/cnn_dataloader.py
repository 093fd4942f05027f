import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split
torch.manual_seed(0)
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1, self.c2 = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 8, 3, padding=1)
        self.pool, self.drop, self.fc = nn.MaxPool2d(2), nn.Dropout2d(.1), nn.Linear(8 * 4, 10)
        self.bn = nn.BatchNorm2d(4)
    def forward(self, x):
        x = self.pool(torch.relu(self.bn(self.c1(x))))
        x = self.pool(torch.relu(self.drop(self.c2(x))))
        return self.fc(x.flatten(1))
data = TensorDataset(torch.randn(36, 1, 8, 8), torch.randint(0, 10, (36,)))
train, test = random_split(data, [24, 12])
net = Net(); opt = torch.optim.SGD(net.parameters(), lr=.05, momentum=.9, weight_decay=5e-4)
for epoch in range(2):
    net.train()
    correct = total = 0; running = 0.
    for x, y in DataLoader(train, 8, shuffle=True):
        opt.zero_grad()
        out = net(x)
        loss = nn.CrossEntropyLoss()(out, y)
        loss.backward()
        opt.step()
        running += loss.item() * len(x)
        correct += (out.argmax(1) == y).sum().item(); total += len(y)
    net.eval(); hits = 0
    with torch.no_grad():
        for x, y in DataLoader(test, 12):
            hits += (net(x).softmax(1).argmax(1) == y).sum().item()
    print(running / total, correct / total, hits / 12)
