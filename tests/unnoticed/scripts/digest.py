"""Writes down the state of a run, bit for bit, where its first argument says, so that two runs can be compared."""

import hashlib
import json
import random
import sys

import numpy as np
import torch

# A script that seeds nothing must still be the same twice.
torch.manual_seed(0)
random.seed(0)
np.random.seed(0)


def dump(**state):
    """Write the digest of each named object and of every random state as JSON to `sys.argv[1]`."""
    written = {name: digest(value) for name, value in state.items()}
    written["random"] = {
        "torch": digest(torch.get_rng_state()),
        "python": digest(random.getstate()),
        "numpy": digest(np.random.get_state()),
    }
    with open(sys.argv[1], "w") as file:
        json.dump(written, file, indent=1, default=str)


def digest(value):
    if isinstance(value, torch.nn.Module):
        return {name or "root": digest_module(module) for name, module in value.named_modules()}
    if isinstance(value, torch.optim.Optimizer):
        return digest(value.state_dict())
    if isinstance(value, torch.Tensor):
        return digest_tensor(value)
    if isinstance(value, np.ndarray):
        return [str(value.dtype), list(value.shape), hashed(value.tobytes())]
    if isinstance(value, dict):
        return {str(key): digest(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [digest(each) for each in value]
    if isinstance(value, bytes):
        return [len(value), hashed(value)]
    return repr(value)


def digest_module(module):
    """Its own parameters and buffers, and the names of whatever else was put on it."""
    hooks = {name: len(value) for name, value in vars(module).items() if name.endswith("_hooks")}
    tensors = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
    return {"attributes": sorted(vars(module)), "hooks": hooks, **{name: digest(tensor) for name, tensor in tensors}}


def digest_tensor(tensor):
    facts = {
        "version": None if tensor.is_inference() else tensor._version,
        "attributes": sorted(vars(tensor)),
        "hooks": len(tensor._backward_hooks or ()),
        "leaf": tensor.is_leaf,
        "requires_grad": tensor.requires_grad,
        "node": tensor.grad_fn and tensor.grad_fn.name(),
        "dtype": str(tensor.dtype),
        "shape": list(tensor.shape),
        "stride": list(tensor.stride()),
    }
    if tensor.is_leaf and tensor.grad is not None:
        facts["grad"] = digest(tensor.grad)
    if not tensor.is_meta:
        flat = tensor.detach().resolve_conj().contiguous().flatten()
        facts["bits"] = hashed(flat.view(torch.uint8).numpy().tobytes())
    return facts


def hashed(data):
    return hashlib.sha256(data).hexdigest()[:16]
