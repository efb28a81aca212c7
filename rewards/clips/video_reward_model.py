"""VideoReward's model, built from the published file: a Qwen2-VL trunk with a linear reward head.

model.pth holds `visual.*`, `model.*`, `lm_head.*` (not used) and `rm_head.weight` behind
`base_model.model.`, in the layout of transformers 4.45 and peft: the decoder's updates are not
merged. Its scale, the mean and deviation of each score and the frames to read are in the
model_config.json one folder above, or beside the file. Without one, the published values count.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from ..files.json_files import read_json
from ..files.lora import merged
from ..files.source import reading
from ..files.state_dict import below, building, read_layout
from ..files.weights import Peek, Source, weights_file
from ..question.qwen_trunk import QwenTrunk, load_towers

SOURCE = Source(
    "VideoReward (checkpoint-11352/model.pth)",
    "https://huggingface.co/KlingTeam/VideoReward",
    ("KlingTeam/VideoReward", "KwaiVGI/VideoReward"),
)
PREFIX = "base_model.model."
HEAD = "rm_head.weight"
KEYS = (HEAD, "visual.patch_embed.proj.weight")
CONFIG = "model_config.json"
KINDS = ("VQ", "MQ", "TA")  # visual quality, motion quality, text alignment


@dataclass(frozen=True)
class VideoConfig:
    """What model_config.json says, with the published values.

    Args:
        scale: of the decoder's updates.
        means: of the raw scores VQ, MQ and TA.
        deviations: of the raw scores VQ, MQ and TA.
        fps: frames to read of each second.
        area: largest area of a frame, in pixels.
    """

    scale: float = 128 / 64
    means: tuple[float, ...] = (3.6757, 1.1646, 2.8105)
    deviations: tuple[float, ...] = (2.2476, 1.3811, 2.5121)
    fps: float = 2.0
    area: int = 448 * 448


@dataclass(frozen=True)
class VideoRewardFile:
    """A file that was read.

    Args:
        path: of the file.
        state: its tensors by key, with the updates merged.
        config: what its model_config.json says.
    """

    path: Path
    state: Mapping[str, torch.Tensor]
    config: VideoConfig = field(default_factory=VideoConfig)


def is_video_reward(peek: Peek) -> bool:
    """Whether `read_file` can read the file."""
    shapes = peek.shapes or {}
    fits = any(all(prefix + key in shapes for key in KEYS) for prefix in (PREFIX, ""))
    return peek.unknown or (not peek.kind and fits and len(shapes[_head(shapes)]) == 2)


def _head(shapes: Mapping[str, object]) -> str:
    return PREFIX + HEAD if PREFIX + HEAD in shapes else HEAD


class VideoRewardTrunk(QwenTrunk):
    """Patches of a video and tokens -> raw scores (VQ, MQ, TA).

    `rm_head` turns a hidden state (D,) into one score, or into three: one for each token.
    """

    def forward(
        self, patches: torch.Tensor, grid: tuple[int, int, int], parts: tuple[torch.Tensor, ...]
    ) -> torch.Tensor:
        """Score one video.

        Args:
            patches: the video, (N, D).
            grid: pairs of frames, rows and columns of patches.
            parts: token ids before the video, and three more parts that end with reward tokens.

        Returns: (VQ, MQ, TA), shape (3,).
        """
        before, *after = parts
        hidden = self.read([before, self.see(patches, grid), *after])
        lengths = [len(part) for part in after]
        places = [-1 - sum(lengths[i + 1 :]) for i in range(len(lengths))]
        scores = self.rm_head(hidden[places])
        return scores[:, 0] if scores.shape[1] == 1 else scores.diagonal()


def read_file(path: Path) -> VideoRewardFile:
    """The tensors of the file that `path` is or holds, with the updates merged."""
    path = weights_file(path, SOURCE)
    layouts = tuple(PREFIX + key for key in KEYS), KEYS
    number, state = read_layout(path, SOURCE, *layouts)
    state = state if number else below(state, PREFIX)
    config = read_config(path)
    with building(path, SOURCE):
        return VideoRewardFile(path, merged(state, config.scale), config)


def load_trunk(file: VideoRewardFile, dtype: torch.dtype) -> VideoRewardTrunk:
    """The model of a file: frozen, in evaluation mode, with a float32 head."""
    visual, model = load_towers(file.path, SOURCE, file.state, dtype)
    weight = file.state[HEAD]
    if tuple(weight.shape) not in ((1, model.config.hidden_size), (3, model.config.hidden_size)):
        raise SOURCE.error(file.path, f"has a head of shape {tuple(weight.shape)}")
    head = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    head.load_state_dict({"weight": weight})
    return VideoRewardTrunk(visual, model, head).eval().requires_grad_(False)


def read_config(path: Path) -> VideoConfig:
    """What the model_config.json beside the file `path`, or one folder above, says."""
    files = [folder / CONFIG for folder in (path.parent, path.parent.parent)]
    file = next((file for file in files if file.is_file()), None)
    if file is None:
        return VideoConfig()
    with reading(file, SOURCE):
        parts = read_json(file)
        update, frames = parts["peft_lora_config"], parts["data_config"]
        rank = update["lora_r"]
        means, deviations = (
            tuple(float(parts["inference_config"][f"{kind}_{of}"]) for kind in KINDS)
            for of in ("mean", "std")
        )
        config = VideoConfig(
            update["lora_alpha"] / (math.sqrt(rank) if update.get("use_rslora") else rank),
            means,
            deviations,
            float(frames["fps"]),
            int(frames["max_frame_pixels"]),
        )
    if min(*config.deviations, config.fps) <= 0.0 or not 100352 <= config.area <= 2**22:
        raise SOURCE.error(file, "has a deviation, fps or max_frame_pixels out of range")
    return config
