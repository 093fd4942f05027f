"""Imported by its neighbours in this folder."""

import torch


def double(x):
    print(f"{__name__} doubles in {__file__.rpartition('/')[2]}")
    return torch.mul(x, 2)
