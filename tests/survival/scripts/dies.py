"""Trains ten steps, and then ends in the way that its argument names."""

import ctypes
import os
import signal
import sys
import threading
import time

import torch

w = torch.tensor(1.0, requires_grad=True)


def train(steps: int = 10) -> None:
    for _ in range(steps):
        loss = (w - 2.0) ** 2
        loss.backward()
        with torch.no_grad():
            w.sub_(0.1 * w.grad)
        w.grad = None


def settle() -> None:
    """Long enough for the recorder to have written what it has seen."""
    time.sleep(1.5)


def refuse(*_: object) -> None:
    raise ArithmeticError("refused")


class Refuses(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, grad):
        raise ArithmeticError("refused")


def exception() -> None:
    raise ArithmeticError("refused")


def escapes() -> None:
    raise ArithmeticError("refused\n\x1b[2J\u202e")


def in_hook() -> None:
    w.register_hook(refuse)
    train(1)


def in_module_hook() -> None:
    module = torch.nn.Linear(1, 1)
    module.register_forward_hook(refuse)
    module(torch.ones(1))


def in_backward() -> None:
    Refuses.apply(w).backward()


def in_thread() -> None:
    """A thread's exception ends the thread, not the script."""
    thread = threading.Thread(target=in_backward)
    thread.start()
    thread.join()


def left_at_once() -> None:
    settle()
    os._exit(3)


def killed_by(number: int) -> None:
    settle()
    os.kill(os.getpid(), number)
    time.sleep(60)


def terminated() -> None:
    killed_by(signal.SIGTERM)


def killed() -> None:
    killed_by(signal.SIGKILL)


def aborted() -> None:
    settle()
    os.abort()


def segfault() -> None:
    settle()
    ctypes.string_at(0)


def interrupted() -> None:
    killed_by(signal.SIGINT)


train()
print("trained", flush=True)
globals()[sys.argv[1]]()
