"""HPSv3's model, built from the published file: a Qwen2-VL trunk with a reward head.

The file holds `visual.*`, `model.*`, `lm_head.*` (not used) and `rm_head.{0,3,5}.*` in the
layout of transformers 4.45.
"""

from collections.abc import Mapping
from pathlib import Path

import torch

from ..files.state_dict import below, building, check_complete, read_state
from ..files.weights import Peek, Source, weights_file
from ..question.qwen_trunk import QwenTrunk, load_towers

SOURCE = Source("HPSv3 (HPSv3.safetensors)", "https://huggingface.co/MizzenAI/HPSv3")
KEYS = ("rm_head.0.weight", "visual.patch_embed.proj.weight", "model.embed_tokens.weight")


def is_hps_v3(peek: Peek) -> bool:
    """Whether `load_trunk` can load the file."""
    return peek.unknown or (not peek.kind and peek.has(*KEYS))


class HpsV3Trunk(QwenTrunk):
    """Patches of an image and tokens -> (mu, s). `rm_head` turns a hidden state (D,) into them."""

    def forward(
        self, patches: torch.Tensor, grid: tuple[int, int, int], parts: tuple[torch.Tensor, ...]
    ) -> torch.Tensor:
        """Score one image.

        Args:
            patches: the image, (N, D).
            grid: 1, and rows and columns of patches.
            parts: token ids before the image, between it and the reward token, from there on.

        Returns: (mu, s), shape (2,).
        """
        before, between, after = parts
        hidden = self.read([before, self.see(patches, grid), between, after])
        return self.rm_head(hidden[-len(after)])


def load_trunk(path: Path, dtype: torch.dtype) -> HpsV3Trunk:
    """The model in the file `path`: frozen, in evaluation mode, with a float32 head."""
    state = read_state(weights_file(path, SOURCE), SOURCE, *KEYS)
    visual, model = load_towers(path, SOURCE, state, dtype)
    rm_head = load_head(path, SOURCE, state, "rm_head.")
    return HpsV3Trunk(visual, model, rm_head).eval().requires_grad_(False)


def load_head(
    path: Path, source: Source, state: Mapping[str, torch.Tensor], prefix: str
) -> torch.nn.Sequential:
    """A head with the linear layers 0, 3 and 5, float32.

    Args:
        path: the file, for errors.
        source: what the family loads, for errors.
        state: tensors by key.
        prefix: of the head's keys.
    """
    needed = {f"{prefix}{i}.{name}" for i in (0, 3, 5) for name in ("weight", "bias")}
    check_complete(path, needed - state.keys(), source)
    with building(path, source):
        first, second, third = (
            torch.nn.Linear(*reversed(state[f"{prefix}{i}.weight"].shape)) for i in (0, 3, 5)
        )
        relu, dropout = torch.nn.ReLU, torch.nn.Dropout  # dropout keeps the numbers of the file
        head = torch.nn.Sequential(first, relu(), dropout(), second, relu(), third)
        head.load_state_dict(below(state, prefix))
    return head
