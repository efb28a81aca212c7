"""Autograd inside the host: the one place that leaves inference mode, and comes back.

The host runs nodes in `torch.inference_mode` and loads weights there. Such tensors cannot be saved
for a backward pass. Its FLUX changes tensors in place, and its fast rope has no autograd.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import comfy.ldm.modules.attention as attention
import comfy.model_management as mm
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.graph import allow_mutation_on_saved_tensors
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

CONVOLUTIONS = F.conv1d, F.conv2d, F.conv3d, F.conv_transpose2d
WEIGHTED = F.linear, *CONVOLUTIONS, F.layer_norm, F.group_norm, F.rms_norm


def ordinary(value: Any) -> Any:
    """The value with every inference tensor as an ordinary one, in the same memory.

    Tuples, lists and dicts are searched for tensors.
    """
    if type(value) in (Tensor, torch.nn.Parameter):
        if not value.is_inference() or value.layout != torch.strided:
            return value
        empty = torch.empty(0, dtype=value.dtype, device=value.device)
        memory = value.untyped_storage(), value.storage_offset(), value.size(), value.stride()
        return empty.set_(*memory)
    if type(value) in (list, tuple):
        return type(value)(ordinary(v) for v in value)
    return {k: ordinary(v) for k, v in value.items()} if type(value) is dict else value


class Ordinary(TorchFunctionMode):
    """Every operation sees ordinary tensors: weights, conditions and masks stay where they are."""

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        return func(*ordinary(args), **ordinary(kwargs or {}))


class CopiedWeights(Ordinary):
    """Ordinary tensors, and in the host's layers copies of the weights for the backward pass.

    Where not all weights fit, the host keeps a layer's weight in place for one call only. Then it
    puts the next one there, or takes the page (comfy/ops.py:328), and autograd does not notice.
    """

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        if func in WEIGHTED:
            args = (*args[:1], *(copied(value) for value in args[1:]))
            kwargs = {name: copied(value) for name, value in (kwargs or {}).items()}
        return super().__torch_function__(func, types, args, kwargs)


def copied(value: Any) -> Any:
    """A copy of a tensor; any other value as it is."""
    return value.clone() if isinstance(value, Tensor) else value


class Plain(TorchDispatchMode):
    """Operations return plain tensors. In a dispatch mode torch would keep the class of a weight.

    ComfyUI-GGUF leaves its own class by `torch.Tensor(weight)`: the result must not have it again.
    """

    def __torch_dispatch__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **(kwargs or {}))


@contextmanager
def differentiable(mode: type[Ordinary] = Ordinary) -> Iterator[None]:
    """Autograd within the host's inference mode. The host's state is restored at the end."""
    before = getattr(mm, "in_training", False)  # absent from old hosts
    mm.in_training = True  # selects the rope that has a gradient (comfy/ldm/flux/math.py:48)
    try:
        with torch.inference_mode(False), torch.enable_grad(), mode():
            with allow_mutation_on_saved_tensors(), Plain():
                yield
    finally:
        mm.in_training = before


class Recomputed(torch.autograd.Function):
    """A block that keeps only its inputs, and runs again in the backward pass.

    torch.utils.checkpoint does not work here: the host's blocks change their inputs in place.
    """

    @staticmethod
    def forward(ctx: Any, run: Callable, *inputs: Tensor) -> Any:
        ctx.run = run
        ctx.save_for_backward(*inputs)
        return run(*inputs)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor | None) -> tuple[Tensor | None, ...]:
        inputs = [x.detach().requires_grad_() for x in ctx.saved_tensors]
        with torch.enable_grad(), CopiedWeights():
            out = ctx.run(*inputs)
        pairs = zip((out,) if isinstance(out, Tensor) else out, cotangents, strict=True)
        used = [(o, c) for o, c in pairs if c is not None and o.requires_grad]
        outputs, cotangents = zip(*used, strict=True)
        return None, *torch.autograd.grad(outputs, inputs, cotangents, allow_unused=True)


def recomputed(forward: Callable) -> Callable:
    """The `forward` of a block as `Recomputed`.

    It runs as it is where a tensor with a gradient is hidden in some other argument.
    """

    def call(*args: Any, **kwargs: Any) -> Any:
        arguments = dict(enumerate(args)) | kwargs  # by position or name
        varying = [k for k, v in arguments.items() if isinstance(v, Tensor) and v.requires_grad]
        if not varying or any(hides_gradient(v) for v in arguments.values()):
            return forward(*args, **kwargs)
        arguments = {k: dict(v) if isinstance(v, dict) else v for k, v in arguments.items()}

        def run(*inputs: Tensor) -> Any:
            values = arguments | dict(zip(varying, inputs, strict=True))
            copies = {k: copied(v) for k, v in values.items()}
            return forward(*[copies.pop(i) for i in range(len(args))], **copies)

        return Recomputed.apply(run, *[arguments[k] for k in varying])

    return call


def hides_gradient(value: Any) -> bool:
    """Whether a tensor that requires a gradient is inside the value, but is not the value."""
    if isinstance(value, dict):
        return any(isinstance(v, Tensor) and v.requires_grad for v in value.values())
    if isinstance(value, list | tuple):
        inside = [part for v in value for part in (v, *getattr(v, "__dict__", {}).values())]
    else:
        inside = [] if isinstance(value, Tensor) else getattr(value, "__dict__", {}).values()
    return any(isinstance(v, Tensor) and v.requires_grad for v in inside)


@contextmanager
def recomputed_blocks(network: torch.nn.Module) -> Iterator[None]:
    """While inside, the network's blocks keep no activations: their `forward` is `recomputed`."""
    lists = [m for m in network.children() if isinstance(m, torch.nn.ModuleList)]
    blocks = [block for blocks in lists for block in blocks]
    forwards = [vars(block).get("forward") for block in blocks]
    try:
        for block in blocks:
            block.forward = recomputed(block.forward)
        yield
    finally:
        for block, forward in zip(blocks, forwards, strict=True):
            vars(block).pop("forward", None)
            if forward is not None:
                block.forward = forward


@contextmanager
def torch_attention(options: dict[str, Any]) -> Iterator[None]:
    """Attention by torch while inside: the fast kernels of sage and flash have no gradient."""
    settings = options.setdefault("transformer_options", {})
    key, missing = "optimized_attention_override", object()
    before = settings.get(key, missing)
    settings[key] = lambda function, *args, **kwargs: attention.attention_pytorch(*args, **kwargs)
    try:
        yield
    finally:
        del settings[key]
        if before is not missing:
            settings[key] = before
