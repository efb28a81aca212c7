"""VQAScore by a vision-language model on a server: how likely it is to say yes to the prompt.

    score = P(yes) / (P(yes) + P(no)),    P(a) = sum of exp(log p) over the spellings of a

among the likeliest first tokens of the answer to "Does this figure show "{prompt}"?". Lin et al.,
arXiv 2404.01291, take P(yes) alone, which also falls when the model is about to say something else.
In [0, 1], higher is better; one of the two not among the likeliest counts 0, neither is NaN. Not
differentiable. Pictures are sent as 8-bit PNG. How exactly a score repeats, and whether it depends
on what else the server does at the time, is up to the server.
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
from .calls import Calls, Server, ServerError, together
from .dialects import Top
from .probe import Asker, Link, connect, png_base64

log = logging.getLogger("flow_search")


@dataclass
class VqaHttpScorer:
    """Asks the server. ``check`` connects anew, which is once a run; ``poll`` may raise to cancel.

    Nothing is sent to a server beyond this computer unless ``hosts`` has it when a run connects.
    A request that fails in spite of its retries is a ServerError: no score is made up.
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
            tops = together(jobs, self.settings.concurrency, self.poll)
            scores[finite] = torch.tensor([self._score(top) for top in tops])
        return scores.to(images.device)

    def _connect(self, prompt: str) -> Link:
        server = self.asker.server
        check_allowed(server.scheme, server.host, server.port, self.hosts())
        text = self.settings.asked(prompt)
        self.link = connect(self.asker, self.settings.model.strip(), text, self.poll)
        return self.link

    def _job(self, link: Link, levels: np.ndarray, prompt: str) -> Callable[[Calls], Top]:
        """What asks about one picture, (H, W, 3) of 8 bits, in a thread of its own."""

        def ask(calls: Calls) -> Top:
            picture, side = Image.fromarray(levels), self.settings.max_side
            if side:
                picture.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=None)
            text = self.settings.asked(prompt)
            top = self.asker.top(link, text, png_base64(picture), calls)
            if top is None:
                raise ServerError(f"{self.asker.server} answered without log-probabilities")
            return top

        return ask

    def _score(self, top: Top) -> float:
        score = self.asker.probability(top)
        if math.isnan(score):
            first = self.asker.server.quoted(top[0][0])
            problem = f"neither yes nor no is among the likeliest first tokens, {first!r} leads"
            if self.settings.on_missing == "fail":
                raise ValueError(f"the model does not answer the question: {problem}")
            if not self.warned:
                log.warning("VQAScore of a picture is not a number: %s (told once a run)", problem)
            self.warned = True
        return score


@dataclass(frozen=True)
class VqaHttp:
    """Settings of VQAScore over HTTP. Nothing is contacted before the first ``check``."""

    gradient: ClassVar[bool] = False

    url: str = field(
        default="",
        metadata={
            "tooltip": "Address of the server. Only it is contacted: redirects are not followed, "
            "proxies not used. Allow a server on another computer in ComfyUI's settings, under "
            "Flow Search.",
            "placeholder": "http://127.0.0.1:8000/v1",
        },
    )
    model: str = field(
        default="",
        metadata={
            "tooltip": "Name of a vision model there, listed or not. Empty: the first of its list."
        },
    )
    question: str = question_field()
    yes: str = field(
        default="yes",
        metadata={
            "tooltip": "What counts as yes, in any case, separated by commas.",
            "advanced": True,
        },
    )
    no: str = field(
        default="no",
        metadata={
            "tooltip": "What counts as no, in any case, separated by commas.",
            "advanced": True,
        },
    )
    max_side: int = field(
        default=1024,
        metadata={
            "tooltip": "Larger pictures are sent at this many pixels on the longer side; 0 sends "
            "them as they are.",
            "min": 0,
            "max": 8192,
            "step": 8,
        },
    )
    concurrency: int = field(
        default=8,
        metadata={
            "tooltip": "Requests at a time. As many as the server answers together.",
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
            "tooltip": "Further tries of a request that timed out, broke off or was turned away "
            "for now; after them the search ends with an error.",
            "min": 0,
            "max": 10,
            "step": 1,
            "advanced": True,
        },
    )
    on_missing: str = field(
        default="nan",
        metadata={
            "tooltip": "When neither yes nor no is among the likeliest answers: nan gives the "
            "picture no score, fail ends the search.",
            "choices": ("nan", "fail"),
            "advanced": True,
        },
    )
    api_key_env: str = field(
        default="",
        metadata={
            "tooltip": "NAME of the environment variable with the server's key, if it wants one: "
            "its name begins with FLOW_SEARCH_. Never the key itself: workflows are saved and "
            "shared. For a server on another computer the variable NAME_URL has to hold its "
            "address.",
            "placeholder": "FLOW_SEARCH_API_KEY",
            "advanced": True,
        },
    )
    extra: str = field(
        default="",
        metadata={
            "tooltip": "More fields for each request, as a JSON object; to switch thinking off, or "
            'for a server that gives fewer alternatives: {"top_logprobs": 5}. '
            "null removes a field.",
            "placeholder": '{"chat_template_kwargs": {"enable_thinking": false}}',
            "advanced": True,
        },
    )

    def asked(self, prompt: str) -> str:
        return self.question.replace("{}", prompt)

    def load(self, files: Files | None = None) -> VqaHttpScorer:
        """Refuse settings that cannot work, before anything is asked."""
        check_question(self.question)
        yes, no = (_answers(name, getattr(self, name)) for name in ("yes", "no"))
        if yes & no:
            raise ValueError(f"{min(yes & no)!r} given as yes and as no, wanted one of the two")
        server = Server(
            **parse_url(self.url), key_env=self.api_key_env.strip(), time_out=self.time_out,
            retries=self.retries,
        )  # fmt: skip
        files = files or Files()
        check_allowed(server.scheme, server.host, server.port, files.hosts())
        server.key()
        asker = Asker(server, _extra(self.extra), yes, no)
        return VqaHttpScorer(self, asker, files.poll, files.hosts)


def _answers(name: str, given: str) -> frozenset[str]:
    found = frozenset(part.strip().lower() for part in given.split(",")) - {""}
    if not found:
        raise ValueError(f"{name} is empty, wanted at least one answer")
    return found


def _extra(given: str) -> dict[str, Any]:
    try:
        found = json.loads(given or "{}")
        json.dumps(found, allow_nan=False)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ValueError(f'extra {given[:60]!r} given, wanted a JSON object such as {{"seed": 1}}')
    return found
