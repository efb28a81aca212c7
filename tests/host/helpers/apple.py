"""Tensors that refuse what a Mac's GPU refuses."""

import torch
from torch import Tensor
from torch.nn.functional import interpolate


class Apple(Tensor):
    """As on "mps" until it is on the CPU: no float64, no averages over parts of unequal size."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        given = (*args[1:], *(kwargs or {}).values())
        if func is Tensor.double or any(one is torch.float64 for one in given):
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
        if func is interpolate and "area" in given:
            raise RuntimeError("Adaptive pool MPS: input sizes must be divisible by output sizes.")
        found = super().__torch_function__(func, types, args, kwargs)
        with torch._C.DisableTorchFunctionSubclass():
            return found.as_subclass(Tensor) if func is Tensor.cpu else found
