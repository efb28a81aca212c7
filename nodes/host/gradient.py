"""Gradients of a reward inside the host: the one place that leaves inference mode, and comes back.

The host runs nodes in `torch.inference_mode` and loads weights there: such tensors cannot be saved
for a backward pass. Its FLUX changes tensors in place, and its fast rope has no autograd. Reward,
decoder and network are differentiated one after the other, each by a forward pass of its own whose
graph is gone before the next: memory is that of the largest, and the host may move models between.
"""

from __future__ import annotations

import logging
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

from ...rewards import REWARDS
from ...samplers.guidance import Guidance, pull, unit_jacobian
from .decode import decode
from .network import Network, out_of_memory
from .objective import HostObjective, score
from .reward import HostReward

log = logging.getLogger("flow_search")
NO_FORMULA = "no autograd formula was registered"  # torch, of a fused kernel of the host's
CONVOLUTIONS = F.conv1d, F.conv2d, F.conv3d, F.conv_transpose2d
WEIGHTED = F.linear, *CONVOLUTIONS, F.layer_norm, F.group_norm, F.rms_norm
ROOM = 3  # times the memory of a forward pass, for one that is recomputed block by block
GIB = 2**30


def ordinary(value: Any) -> Any:
    """An inference tensor as an ordinary one in the same memory; in tuples, lists, dicts, too."""
    if type(value) in (Tensor, torch.nn.Parameter):
        if not value.is_inference() or value.layout != torch.strided:
            return value
        empty = torch.empty(0, dtype=value.dtype, device=value.device)
        place = value.untyped_storage(), value.storage_offset(), value.size(), value.stride()
        return empty.set_(*place)
    if type(value) in (list, tuple):
        return type(value)(ordinary(v) for v in value)
    return {k: ordinary(v) for k, v in value.items()} if type(value) is dict else value


class Ordinary(TorchFunctionMode):
    """Every operation sees ordinary tensors: weights, conditions and masks stay where they are."""

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        return func(*ordinary(args), **ordinary(kwargs or {}))


class Lent(Ordinary):
    """And in the host's layers copies of the weights, for the way back.

    Where weights do not all fit, a layer's has its place for one call only: the next one's is put
    there, or the page is taken (comfy/ops.py:328), unseen by autograd.
    """

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        if func in WEIGHTED:
            args = (*args[:1], *(copied(value) for value in args[1:]))
            kwargs = {name: copied(value) for name, value in (kwargs or {}).items()}
        return super().__torch_function__(func, types, args, kwargs)


def copied(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else value


class Plain(TorchDispatchMode):
    """Operations give plain tensors, where in a dispatch mode torch would keep a weight's class.

    ComfyUI-GGUF leaves its class by `torch.Tensor(weight)`, which must not come back with it.
    """

    def __torch_dispatch__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **(kwargs or {}))


@contextmanager
def differentiable(mode: type[Ordinary] = Ordinary) -> Iterator[None]:
    """Autograd within the host's inference mode; whatever happens, all is put back."""
    before = getattr(mm, "in_training", False)  # absent from old hosts
    mm.in_training = True  # takes the rope that has a gradient (comfy/ldm/flux/math.py:48)
    try:
        with torch.inference_mode(False), torch.enable_grad(), mode():
            with allow_mutation_on_saved_tensors(), Plain():
                yield
    finally:
        mm.in_training = before


class Recomputed(torch.autograd.Function):
    """A block that keeps its inputs alone and runs again on the way back.

    torch.utils.checkpoint would not do: the host's blocks change their inputs in place.
    """

    @staticmethod
    def forward(ctx: Any, run: Callable, *inputs: Tensor) -> Any:
        ctx.run = run
        ctx.save_for_backward(*inputs)
        return run(*inputs)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor | None) -> tuple[Tensor | None, ...]:
        inputs = [x.detach().requires_grad_() for x in ctx.saved_tensors]
        with torch.enable_grad(), Lent():
            out = ctx.run(*inputs)
        pairs = zip((out,) if isinstance(out, Tensor) else out, cotangents, strict=True)
        known = [(o, c) for o, c in pairs if c is not None and o.requires_grad]
        outputs, given = zip(*known, strict=True)
        return None, *torch.autograd.grad(outputs, inputs, given, allow_unused=True)


def recomputed(forward: Callable) -> Callable:
    """`forward` of a block, as Recomputed where all that it depends on is in plain sight."""

    def called(*args: Any, **kwargs: Any) -> Any:
        named = [*range(len(args)), *kwargs]
        given = dict(zip(named, [*args, *kwargs.values()], strict=True))
        varying = [k for k, v in given.items() if isinstance(v, Tensor) and v.requires_grad]
        if not varying or any(hides_gradient(v) for v in given.values()):
            return forward(*args, **kwargs)
        given = {k: dict(v) if isinstance(v, dict) else v for k, v in given.items()}

        def run(*inputs: Tensor) -> Any:
            now = given | dict(zip(varying, inputs, strict=True))
            own = {k: v.clone() if isinstance(v, Tensor) else v for k, v in now.items()}
            return forward(*[own.pop(i) for i in range(len(args))], **own)

        return Recomputed.apply(run, *[given[k] for k in varying])

    return called


def hides_gradient(value: Any) -> bool:
    """Whether a tensor that varies is inside something else than an argument of its own."""
    if isinstance(value, dict):
        return any(isinstance(v, Tensor) and v.requires_grad for v in value.values())
    if isinstance(value, list | tuple):
        inside = [part for v in value for part in (v, *getattr(v, "__dict__", {}).values())]
    else:
        inside = [] if isinstance(value, Tensor) else getattr(value, "__dict__", {}).values()
    return any(isinstance(v, Tensor) and v.requires_grad for v in inside)


@contextmanager
def recomputed_blocks(network: torch.nn.Module) -> Iterator[None]:
    """The network's lists of blocks keep no activations; their own `forward` is put back."""
    lists = [m for m in network.children() if isinstance(m, torch.nn.ModuleList)]
    blocks = [block for blocks in lists for block in blocks]
    before = [vars(block).get("forward") for block in blocks]
    try:
        for block in blocks:
            block.forward = recomputed(block.forward)
        yield
    finally:
        for block, own in zip(blocks, before, strict=True):
            vars(block).pop("forward", None)
            if own is not None:
                block.forward = own


@contextmanager
def torch_attention(options: dict[str, Any]) -> Iterator[None]:
    """Attention by torch while inside: the fast kernels of sage and flash have no gradient."""
    told = options.setdefault("transformer_options", {})
    key, missing = "optimized_attention_override", object()
    before = told.get(key, missing)
    told[key] = lambda own, *args, **kwargs: attention.attention_pytorch(*args, **kwargs)
    try:
        yield
    finally:
        del told[key]
        if before is not missing:
            told[key] = before


class HostGradients:
    """Gradients of what `objective` decodes and scores, and through `network`."""

    def __init__(self, objective: HostObjective, network: Network, fall_back: bool) -> None:
        self.objective, self.network, self.fall_back = objective, network, fall_back

    def at_x0(self, x0: Tensor) -> Tensor:
        """nan where the picture is not finite."""
        own = self.objective
        try:
            images = self._decode(x0)
            with differentiable():
                cotangent = pull(self._score, images)
            with differentiable(Lent):
                slope = pull(self._decode, x0, cotangent)
        except Exception as error:
            if not out_of_memory(error):
                raise
            raise self._too_large("decoder and reward", x0, "a smaller picture") from None
        own.restore(x0)
        return slope

    def _decode(self, x0: Tensor) -> Tensor:
        """Decode x0 and charge it. The seconds count as the gradient's."""
        images = decode(self.objective.vae, self.objective.network.base, x0)
        self.objective.charge(images)
        return images

    def _score(self, images: Tensor) -> Tensor:
        scores = score(self.objective.reward, images, self.objective.prompt)
        if not scores.requires_grad:
            raise ValueError(
                "The reward gave scores without a gradient, wanted settings with which it has one: "
                "guidance follows it."
            )
        return scores

    def through_network(self, x: Tensor, t: float, cotangent: Tensor) -> Tensor:
        """When memory runs out: the Jacobian of x0 guidance, now and later, if that is allowed."""
        purse = self.objective.purse
        if not purse.counts["fallbacks"]:
            try:
                return self._pulled(x, t, cotangent)
            except Exception as error:
                told = self._refused(error, x)
            mm.soft_empty_cache()
            if not self.fall_back:
                raise told
            log.warning("%s Falling back on x0 guidance.", told)
        purse.counts["fallbacks"] += len(x)
        return unit_jacobian(t) * cotangent

    def _refused(self, error: Exception, x: Tensor) -> RuntimeError:
        """The sentence for memory that ran out; any other error is raised."""
        if NO_FORMULA in str(error):
            raise ValueError(
                f"A network without a gradient was given ({error}), wanted guidance x0 with it: "
                "that does not differentiate the network."
            ) from None
        if not out_of_memory(error):
            raise error
        return self._too_large("the network", x, "x0 guidance, fall_back on, or a smaller picture")

    def _pulled(self, x: Tensor, t: float, cotangent: Tensor) -> Tensor:
        base = self.network.base
        self.objective.restore(x, ROOM)
        options = self.network.extra_args["model_options"]
        network = recomputed_blocks(base.diffusion_model)
        with differentiable(Lent), network, torch_attention(options):
            return pull(lambda rows: self.network(rows, t), x, cotangent)

    def _too_large(self, part: str, x: Tensor, wanted: str) -> RuntimeError:
        device = mm.get_torch_device()
        free, total = (f(device) / GIB for f in (mm.get_free_memory, mm.get_total_memory))
        return RuntimeError(
            f"Memory ran out for the gradient through {part} at a latent of {tuple(x.shape)}, with "
            f"{free:.1f} of {total:.1f} GiB free; wanted {wanted}."
        )


def check_gradient(guidance: Guidance, reward: HostReward) -> None:
    """Refuse a reward that guidance cannot follow."""
    if guidance.strength and not reward.gradient:
        able = ", ".join(name for name, cls in REWARDS.items() if cls.gradient)
        raise ValueError(
            f"reward {reward.settings.get('reward', 'combination')} given, which has no gradient; "
            f"guidance wants one of {able}, or a combination of these alone."
        )
