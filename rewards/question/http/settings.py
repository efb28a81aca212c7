"""Settings of a vision-language model on a server, and what follows from them for a request."""

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from PIL import Image

from ..edits import checked_source, question_for, source_field
from ..yes_no import question_field
from .address import parse_url
from .calls import Server
from .probe import Asker, png_base64


@dataclass(frozen=True)
class ServerSettings:
    """Where the model is, what it is asked, and how it is asked."""

    url: str = field(
        default="",
        metadata={
            "tooltip": "Address of the server, the only one contacted. Allow other computers in "
            "ComfyUI's settings, under Flow Search.",
            "placeholder": "http://127.0.0.1:8000/v1",
        },
    )
    model: str = field(
        default="",
        metadata={
            "tooltip": "Name of a vision model on the server. If empty, the first that the server "
            "lists."
        },
    )
    question: str = question_field()
    yes: str = field(
        default="yes",
        metadata={
            "tooltip": "Words that count as yes, separated by commas. Case does not matter.",
            "advanced": True,
        },
    )
    no: str = field(
        default="no",
        metadata={
            "tooltip": "Words that count as no, separated by commas. Case does not matter.",
            "advanced": True,
        },
    )
    max_side: int = field(
        default=1024,
        metadata={
            "tooltip": "Longest side of the images that are sent, in pixels. 0 sends them in full "
            "size.",
            "min": 0,
            "max": 8192,
            "step": 8,
        },
    )
    concurrency: int = field(
        default=8,
        metadata={
            "tooltip": "Requests sent at the same time. Use as many as the server answers in "
            "parallel.",
            "min": 1,
            "max": 64,
            "step": 1,
        },
    )
    time_out: float = field(
        default=120.0,
        metadata={
            "tooltip": "Seconds to wait for one answer, or for a server that is loading its model.",
            "min": 1.0,
            "max": 3600.0,
            "step": 1.0,
            "advanced": True,
        },
    )
    retries: int = field(
        default=3,
        metadata={
            "tooltip": "How often to repeat a request that timed out, broke off or met a busy "
            "server.",
            "min": 0,
            "max": 10,
            "step": 1,
            "advanced": True,
        },
    )
    on_missing: str = field(
        default="nan",
        metadata={
            "tooltip": "If neither yes nor no is among the likeliest answers: nan gives the image "
            "no score, fail ends the search.",
            "choices": ("nan", "fail"),
            "advanced": True,
        },
    )
    api_key_env: str = field(
        default="",
        metadata={
            "tooltip": "Environment variable with the server's key. Its name begins with "
            "FLOW_SEARCH_. Never put the key itself here.",
            "placeholder": "FLOW_SEARCH_API_KEY",
            "advanced": True,
        },
    )
    extra: str = field(
        default="",
        metadata={
            "tooltip": "More fields for each request, as a JSON object, such as "
            '{"top_logprobs": 5}. null removes a field.',
            "placeholder": '{"chat_template_kwargs": {"enable_thinking": false}}',
            "advanced": True,
        },
    )
    source: "torch.Tensor | None" = source_field()

    def question_about(self, prompt: str) -> str:
        """The question with `prompt` in its place."""
        return question_for(self.question, self.source).replace("{}", prompt)

    def png(self, levels: np.ndarray) -> str:
        """An image (H, W, 3) of 8 bits as it is sent, a PNG file in base64."""
        picture, side = Image.fromarray(levels), self.max_side
        if side:
            picture.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=None)
        return png_base64(picture)

    def server(self) -> Server:
        """Where requests go."""
        return Server(
            **parse_url(self.url), key_env=self.api_key_env.strip(), time_out=self.time_out,
            retries=self.retries,
        )  # fmt: skip

    def asker(self) -> Asker:
        """What asks the server. ValueError for a setting that cannot be used."""
        yes, no = (_answers(name, getattr(self, name)) for name in ("yes", "no"))
        if yes & no:
            raise ValueError(f"{min(yes & no)!r} counts as yes and as no: expected one of the two.")
        source = checked_source(self.source)
        before = "" if source is None else self.png(source[0].mul(255.0).round().byte().numpy())
        return Asker(self.server(), _extra(self.extra), yes, no, before)


def _answers(name: str, text: str) -> frozenset[str]:
    answers = frozenset(part.strip().lower() for part in text.split(",")) - {""}
    if not answers:
        raise ValueError(f"{name} is empty: got {text!r}, expected at least one word.")
    return answers


def _extra(text: str) -> dict[str, Any]:
    try:
        fields = json.loads(text or "{}")
        json.dumps(fields, allow_nan=False)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise ValueError(
            f'extra is not a JSON object: got {text[:60]!r}, expected one such as {{"seed": 1}}.'
        )
    return fields
