"""VQAScore by a vision-language model on a server: how likely is yes to the prompt?

    score = P(yes) / (P(yes) + P(no)),    P(a) = sum of exp(log p) over the spellings of a

The sums go over the likeliest first tokens of the answer to "Does this figure show "{prompt}"?".
Lin et al., arXiv 2404.01291, take P(yes) alone, which also falls if other answers are likely.
In [0, 1], higher is better. If only one of the two is among the likeliest tokens, the other counts
0. If neither is, the score is NaN. Not differentiable. Images are sent as 8-bit PNG. The server
decides how exactly a score repeats, and whether its load changes it.
"""

import functools
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch

from ...types import Files, Question, check_batch, never_cancel, no_hosts
from ..asking import check_questions
from ..yes_no import check_prompt, check_question
from .address import check_allowed
from .dialects import Top, log_share
from .probe import Asker, Link, connect
from .settings import ServerSettings
from .workers import Calls, ServerError, run_together

log = logging.getLogger("flow_search")
TRIAL = "Is this image red? Please answer Yes or No."  # about a red and a blue one


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

    asks: ClassVar[bool] = True

    settings: ServerSettings
    asker: Asker
    poll: Callable[[], None] = never_cancel
    hosts: Callable[[], str] = no_hosts
    link: Link | None = None
    warned: bool = False
    module: ClassVar[None] = None

    @property
    def at_once(self) -> int:
        return self.settings.concurrency

    @property
    def compares(self) -> bool:
        return self.settings.source is not None

    def check(self, prompt: str) -> None:
        check_prompt(prompt)
        self.link, self.warned = None, False
        self._connect(self.settings.question_about(prompt))

    def check_questions(self, questions: list[Question]) -> None:
        check_questions(questions)
        self.link, self.warned = None, False
        self._connect(TRIAL)

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        check_batch(images, prompts)
        texts = [[self.settings.question_about(prompt)] for prompt in prompts]
        scores = torch.full((len(prompts),), math.nan, dtype=torch.float32)
        for i, (top,) in self._tops(images, texts).items():
            scores[i] = self._score(top)
        return scores.to(images.device)

    def judge(self, images: torch.Tensor, questions: list[Question]) -> torch.Tensor:
        check_batch(images, [""] * len(images))
        log_p = torch.full((len(images), len(questions)), math.nan, dtype=torch.float32)
        if self.link is None:
            self._connect(TRIAL)
        texts = [[question.text for question in questions]] * len(images)
        for i, tops in self._tops(images, texts).items():
            for k, (question, top) in enumerate(zip(questions, tops, strict=True)):
                share = log_share(top, question.answer, question.alternatives)
                log_p[i, k] = self._checked(share, top, " or ".join(question.answer))
        return log_p.to(images.device)

    def _tops(self, images: torch.Tensor, texts: list[list[str]]) -> dict[int, list[Top]]:
        """The likeliest first tokens for each question about each image without NaN, by image.

        Args:
            images: (B, H, W, 3).
            texts: for each image the questions, equally many for all.
        """
        finite = torch.isfinite(images).flatten(1).all(1).nonzero()[:, 0].tolist()
        count = len(texts[0]) if texts else 0
        if not (finite and count):
            return {}
        link = self.link or self._connect(texts[finite[0]][0])
        pictures = images.detach().float().clamp(0.0, 1.0).mul(255.0).round()
        levels = pictures.to("cpu", torch.uint8).numpy()
        jobs = []
        for i in finite:
            picture = functools.cache(functools.partial(self.settings.png, levels[i]))
            jobs += [self._job(link, picture, text) for text in texts[i]]
        tops = run_together(jobs, self.settings.concurrency, self.poll)
        return {i: tops[k * count : (k + 1) * count] for k, i in enumerate(finite)}

    def _connect(self, text: str) -> Link:
        server = self.asker.server
        check_allowed(server.scheme, server.host, server.port, self.hosts())
        self.link = connect(self.asker, self.settings.model.strip(), text, self.poll)
        return self.link

    def _job(self, link: Link, picture: Callable[[], str], text: str) -> Callable[[Calls], Top]:
        """A job that asks a question about one image, which `picture` makes a PNG of."""

        def ask(calls: Calls) -> Top:
            top = self.asker.top(link, text, picture(), calls)
            if top is None:
                raise ServerError(f"{self.asker.server} answered without log-probabilities.")
            return top

        return ask

    def _score(self, top: Top) -> float:
        return self._checked(self.asker.probability(top), top, "yes or no")

    def _checked(self, score: float, top: Top, expected: str) -> float:
        """`score`. If it is NaN, the model did not answer: that is an error, or a warning."""
        if math.isnan(score):
            first = self.asker.server.quoted(top[0][0])
            problem = (
                f"The model does not answer the question: got {first!r} as the likeliest first "
                f"token, expected {expected} among the likeliest."
            )
            if self.settings.on_missing == "fail":
                raise ValueError(problem)
            if not self.warned:
                log.warning("An image has no score. %s Logged once a run.", problem)
            self.warned = True
        return score


@dataclass(frozen=True)
class VqaHttp(ServerSettings):
    """Settings of VQAScore by a server, which is not contacted before the first `check`."""

    gradient: ClassVar[bool] = False

    def load(self, files: Files | None = None) -> VqaHttpScorer:
        """Check the settings. The server is not contacted yet."""
        check_question(self.question)
        asker, files = self.asker(), files or Files()
        check_allowed(asker.server.scheme, asker.server.host, asker.server.port, files.hosts())
        asker.server.key()
        return VqaHttpScorer(self, asker, files.poll, files.hosts)
