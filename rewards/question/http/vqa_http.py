"""VQAScore by a vision-language model on a server: how likely is yes to the prompt?

    score = P(yes) / (P(yes) + P(no)),    P(a) = sum of exp(log p) over the spellings of a

The sums go over the likeliest first tokens of the answer to "Does this figure show "{prompt}"?".
Lin et al., arXiv 2404.01291, take P(yes) alone, which also falls if other answers are likely.
In [0, 1], higher is better. If only one of the two is among the likeliest tokens, the other counts
0. If neither is, the score is NaN. Not differentiable. Images are sent as 8-bit PNG. The server
decides how exactly a score repeats, and whether its load changes it.
"""

import json
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image

from ...types import Files, check_batch, never_cancel, no_hosts
from ..yes_no import check_prompt, check_question, question_field
from .address import check_allowed, parse_url
from .calls import Server
from .dialects import Top
from .probe import Asker, Link, connect, png_base64
from .workers import Calls, ServerError, run_together

log = logging.getLogger("flow_search")


@dataclass
class VqaHttpScorer:
    """Asks the server. `check`, which each run calls once, connects anew.

    Nothing is sent to a server beyond this computer unless `hosts` allows it when a run connects. A
    request that fails in spite of its retries is a ServerError: no score is invented.

    Args:
        settings: the reward.
        asker: asks the server.
        poll: called while waiting; raises if the run was cancelled.
        hosts: returns the servers that the user allows, comma-separated.
        link: how to ask, None before the first contact.
        warned: whether the log has warned in this run.
    """

    settings: "VqaHttp"
    asker: Asker
    poll: Callable[[], None] = never_cancel
    hosts: Callable[[], str] = no_hosts
    link: Link | None = None
    warned: bool = False
    module: ClassVar[None] = None

    @property
    def at_once(self) -> int:
        return self.settings.concurrency

    def check(self, prompt: str) -> None:
        check_prompt(prompt)
        self.link, self.warned = None, False
        self._connect(prompt)

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        check_batch(images, prompts)
        finite = torch.isfinite(images).flatten(1).all(1).nonzero()[:, 0].tolist()
        scores = torch.full((len(prompts),), math.nan, dtype=torch.float32)
        if finite:
            link = self.link or self._connect(prompts[finite[0]])
            pictures = images.detach().float().clamp(0.0, 1.0).mul(255.0).round()
            levels = pictures.to("cpu", torch.uint8).numpy()
            jobs = [self._job(link, levels[i], prompts[i]) for i in finite]
            tops = run_together(jobs, self.settings.concurrency, self.poll)
            scores[finite] = torch.tensor([self._score(top) for top in tops])
        return scores.to(images.device)

    def _connect(self, prompt: str) -> Link:
        server = self.asker.server
        check_allowed(server.scheme, server.host, server.port, self.hosts())
        text = self.settings.question_about(prompt)
        self.link = connect(self.asker, self.settings.model.strip(), text, self.poll)
        return self.link

    def _job(self, link: Link, levels: np.ndarray, prompt: str) -> Callable[[Calls], Top]:
        """A job that asks about one image: `levels` (H, W, 3), 8 bits."""

        def ask(calls: Calls) -> Top:
            picture, side = Image.fromarray(levels), self.settings.max_side
            if side:
                picture.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=None)
            text = self.settings.question_about(prompt)
            top = self.asker.top(link, text, png_base64(picture), calls)
            if top is None:
                raise ServerError(f"{self.asker.server} answered without log-probabilities.")
            return top

        return ask

    def _score(self, top: Top) -> float:
        score = self.asker.probability(top)
        if math.isnan(score):
            first = self.asker.server.quoted(top[0][0])
            problem = (
                f"The model does not answer the question: got {first!r} as the likeliest first "
                "token, expected yes or no among the likeliest."
            )
            if self.settings.on_missing == "fail":
                raise ValueError(problem)
            if not self.warned:
                log.warning("An image has no score. %s Logged once a run.", problem)
            self.warned = True
        return score


@dataclass(frozen=True)
class VqaHttp:
    """Settings of VQAScore by a server, which is not contacted before the first `check`."""

    gradient: ClassVar[bool] = False

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

    def question_about(self, prompt: str) -> str:
        """The question with `prompt` in its place."""
        return self.question.replace("{}", prompt)

    def load(self, files: Files | None = None) -> VqaHttpScorer:
        """Check the settings. The server is not contacted yet."""
        check_question(self.question)
        yes, no = (_answers(name, getattr(self, name)) for name in ("yes", "no"))
        if yes & no:
            raise ValueError(f"{min(yes & no)!r} counts as yes and as no: expected one of the two.")
        server = Server(
            **parse_url(self.url), key_env=self.api_key_env.strip(), time_out=self.time_out,
            retries=self.retries,
        )  # fmt: skip
        files = files or Files()
        check_allowed(server.scheme, server.host, server.port, files.hosts())
        server.key()
        asker = Asker(server, _extra(self.extra), yes, no)
        return VqaHttpScorer(self, asker, files.poll, files.hosts)


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
