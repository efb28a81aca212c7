"""EditReward's model, built from the published folder: a Qwen2.5-VL trunk with two reward heads.

The folder holds model.safetensors (or model.pth), and beside it the small files of the model that
it was trained from: config.json, the tokenizer and the chat template. The weights hold
`model.visual.*`, `model.language_model.*`, `lm_head.*` (not used) and `rm_heads.head_{0,1}.{0,3,5}`
in the layout of transformers 4.57, or the first two as `visual.*` and `model.*`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ..files.json_files import plain, read_json
from ..files.source import reading
from ..files.state_dict import below, read_state
from ..files.weights import Peek, Source, look
from ..question.qwen_trunk import DECODER, HEAD_WIDTH, QwenTrunk, load_towers
from .hps_v3_model import load_head

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SOURCE = Source(
    "a folder with EditReward: its weights, and config.json, tokenizer and chat template of the "
    "Qwen2.5-VL or MiMo-VL that it was trained from",
    "https://huggingface.co/TIGER-Lab/EditReward-Qwen2.5-VL-7B",
    ("TIGER-Lab/EditReward-Qwen2.5-VL-7B", "TIGER-Lab/EditReward-MiMo-VL-7B-SFT-2508"),
)
KIND = "qwen2_5_vl"
KEY = "rm_heads.head_0.0.weight"
HEADS = ("rm_heads.head_0.", "rm_heads.head_1.")  # instruction followed; quality
FILES = ("model.safetensors", "model.pth")
LAYOUTS = {"model.visual.": "visual.", "model.language_model.": "model."}  # transformers 4.52 on
IMAGE = "<|image_pad|>"
REWARD = "<|Reward|>"


def is_edit_reward(peek: Peek) -> bool:
    """Whether `load_trunk` can load the folder."""
    if peek.shapes is None:  # a pickle, which is read only as it loads
        return peek.kind == KIND and (peek.path / FILES[1]).is_file()
    return peek.kind == KIND and KEY in peek.shapes


class EditRewardTrunk(QwenTrunk):
    """Tokens of two images and of a text -> a score.

    `rm_head` holds two heads. Each turns a hidden state (D,) into (mu, s).
    """

    def forward(
        self, source: torch.Tensor, image: torch.Tensor, texts: tuple[torch.Tensor, ...]
    ) -> torch.Tensor:
        """Score one image.

        Args:
            source: tokens (M, D) of the image before the edit.
            image: tokens (N, D) of the image to score.
            texts: ids before the images and between them, and for each head those after them, up
                to the reward token.

        Returns: the mean mu of the heads, shape ().
        """
        before, between, *after = texts
        scores = [
            head(self.read([before, source, between, image, text])[-1])[0]
            for head, text in zip(self.rm_head, after, strict=True)
        ]
        return torch.stack(scores).mean()


def load_trunk(path: Path, dtype: torch.dtype) -> EditRewardTrunk:
    """The model in the folder `path`: frozen, in evaluation mode, with float32 heads."""
    sizes = read_sizes(path)
    file = next((path / name for name in FILES if (path / name).is_file()), None)
    if file is None:
        raise SOURCE.error(path, f"lacks {FILES[0]}")
    state = renamed(read_state(file, SOURCE, KEY))
    visual, model = load_towers(path, SOURCE, state, dtype, KIND, **sizes)
    heads = torch.nn.ModuleList(load_head(path, SOURCE, state, prefix) for prefix in HEADS)
    return EditRewardTrunk(visual, model, heads).eval().requires_grad_(False)


def renamed(state: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
    """The tensors under the keys of transformers 4.45."""
    if not any(key.startswith("model.visual.") for key in state):
        return state
    kept = {key: value for key, value in state.items() if not key.startswith("model.")}
    return kept | {
        short + key: value
        for long, short in LAYOUTS.items()
        for key, value in below(state, long).items()
    }


def read_sizes(path: Path) -> dict[str, object]:
    """The sizes in the folder's config.json that no shape of a tensor shows."""
    peek = look(path, SOURCE)
    if peek.kind != KIND:
        kind = f'has a config.json of type "{peek.kind}"' if peek.kind else None
        raise SOURCE.error(path, kind or f"looks like {peek.looks_like()} without a config.json")
    with reading(path / "config.json", SOURCE):
        text, sight = peek.config.get("text_config", peek.config), peek.config["vision_config"]
        rope = text.get("rope_parameters") or text
        sizes = {
            "rms_norm_eps": text.get("rms_norm_eps", DECODER["rms_norm_eps"]),
            "rope_theta": rope.get("rope_theta", DECODER["rope_theta"]),
            "num_heads": sight["num_heads"],
            "window_size": sight["window_size"],
            "fullatt_block_indexes": list(sight["fullatt_block_indexes"]),
        }
    wide = HEAD_WIDTH["decoder"]
    numbers = [sizes["num_heads"], sizes["window_size"], *sizes["fullatt_block_indexes"]]
    whole = all(type(number) is int and 0 <= number <= 4096 for number in numbers)
    eps, theta = sizes["rms_norm_eps"], sizes["rope_theta"]
    real = all(isinstance(number, int | float) for number in (eps, theta))
    if not (whole and real and 0.0 < eps < 1.0 and 1.0 < theta < 1e9):
        raise SOURCE.error(path, "has a config.json with numbers out of range")
    if text.get("hidden_size", wide) != text.get("num_attention_heads", 1) * wide:
        raise SOURCE.error(path, f"has attention heads of another width than {wide}")
    return sizes


@dataclass(frozen=True)
class EditChat:
    """The tokenizer and the chat template of a folder."""

    tokenizer: "PreTrainedTokenizerBase"
    template: str

    def parts(self, text: str) -> list[str]:
        """The chat before the first of two images, between them, and from there to `text`'s end."""
        content = [{"type": "image"}, {"type": "image"}, {"type": "text", "text": text}]
        chat = self.tokenizer.apply_chat_template(
            [{"role": "user", "content": content}],
            chat_template=self.template,
            tokenize=False,
            add_generation_prompt=True,
        )
        before, between, after = chat.split(IMAGE)
        return [before, between, after[: after.index(text) + len(text)]]


def load_chat(path: Path) -> EditChat:
    """The tokenizer and the chat template in the folder `path`, tried out."""
    from transformers import AutoTokenizer

    with reading(path, SOURCE), plain(path) as folder:
        tokenizer = AutoTokenizer.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        template = _template(folder) or tokenizer.chat_template
    if not isinstance(template, str):
        raise SOURCE.error(path, "has no chat template")
    chat = EditChat(tokenizer, template)
    with reading(path, SOURCE):
        chat.parts("a text")
    return chat


def _template(folder: Path) -> str | None:
    """The processor's chat template, in the files in which transformers looks for it."""
    if (file := folder / "chat_template.jinja").is_file():
        return file.read_text("utf-8")
    if (file := folder / "chat_template.json").is_file():
        return read_json(file)["chat_template"]
    return None


def reward_token(chat: EditChat, words: int, path: Path) -> int:
    """The id of <|Reward|>: in the tokenizer, or the next one, as the authors added it.

    Args:
        chat: of the folder.
        words: how many tokens the weights have.
        path: the folder, for the error.
    """
    token = chat.tokenizer.get_vocab().get(REWARD, len(chat.tokenizer))
    if token >= words:
        problem = f"has {words} tokens, too few for {REWARD}, which is number {token}"
        raise SOURCE.error(path, problem)
    return token
