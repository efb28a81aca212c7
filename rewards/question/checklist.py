"""A checklist: how likely is each of several answers about an image, by any judge?

With P_i the probability that the judge gives the answer hoped for to question i, of weight w_i:

    geometric    exp(sum_i w_i log P_i / sum_i w_i)      in [0, 1]
    log          its logarithm                           at most 0
    arithmetic   sum_i w_i P_i / sum_i w_i               in [0, 1]

Higher is better. One wrong item pulls the geometric mean down, so that nothing is traded for it. It
is the idea of Soft-TIFA (Kamath et al., GenEval 2, arXiv 2512.16853), after TIFA (Hu et al., arXiv
2303.11897). Differentiable in the images where the judge is. See `asking` for P, `checklist_lines`
for the lines and `prompt_questions` for the questions that are made from a prompt.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch

from ..memo import Memo
from ..types import Asks, Files, Scorer, asks, check_batch, check_characters, images_at_once
from .checklist_lines import Item, read_lines
from .host_vlm import HostClip, check_writer
from .prompt_questions import edit_questions, questions_from
from .question_writer import written_questions


@dataclass(frozen=True)
class ChecklistScorer:
    """Asks a judge.

    Args:
        judge: answers the questions.
        lines: the items, with {} for the prompt; without any, they are made from the prompt.
        mean: "geometric", "log" or "arithmetic".
        writer: the host's CLIP that writes the questions, None for the rules.
        made: cache of the items of each prompt.
    """

    judge: Asks
    lines: tuple[Item, ...]
    mean: str
    writer: HostClip | None = None
    made: Memo[list[Item]] = field(default_factory=Memo)
    module: ClassVar[None] = None
    itemised: ClassVar[bool] = True

    @property
    def at_once(self) -> int:
        return images_at_once(self.judge, 1)

    def check(self, prompt: str) -> None:
        check_characters(prompt)
        needs = not self.lines or any("{}" in item.text for item in self.lines)
        if needs and not prompt.strip():
            raise ValueError(
                "The checklist needs a prompt to ask about: got an empty one, expected text."
            )
        self.judge.check_questions([item.question for item in self._items(prompt)])

    def score(self, images: torch.Tensor, prompts: list[str]) -> torch.Tensor:
        check_batch(images, prompts)
        scores = torch.full((len(prompts),), float("nan"), device=images.device)
        for prompt, rows in _rows(prompts).items():
            items = self._items(prompt)
            weights = images.new_tensor([item.weight for item in items], dtype=torch.float32)
            scores = scores.index_put(
                (torch.tensor(rows, device=images.device),),
                mean_of(self._log_p(images[rows], items), weights, self.mean),
            )
        return scores

    def items(self, images: torch.Tensor, prompts: list[str]) -> list[list[dict[str, Any]]]:
        check_batch(images, prompts)
        items_by_row: list[list[dict[str, Any]]] = [[] for _ in prompts]
        for prompt, rows in _rows(prompts).items():
            items = self._items(prompt)
            shares = self._log_p(images[rows], items).detach().exp().tolist()
            for row, values in zip(rows, shares, strict=True):
                items_by_row[row] = [
                    {"question": item.shown, "answer": item.answer, "p": round(p, 4)}
                    for item, p in zip(items, values, strict=True)
                ]
        return items_by_row

    def _log_p(self, images: torch.Tensor, items: list[Item]) -> torch.Tensor:
        """Log-probabilities (B, Q) of the answers hoped for."""
        return self.judge.judge(images, [item.question for item in items]).to(images.device)

    def _items(self, prompt: str) -> list[Item]:
        return self.made(prompt, self._make)

    def _make(self, prompt: str) -> list[Item]:
        if self.lines:
            items = list(self.lines)
        elif self.writer is not None:
            items = written_questions(self.writer, prompt)
        else:
            items = edit_questions() if self.judge.compares else questions_from(prompt)
        return [item.about(prompt) for item in items]


def _rows(prompts: list[str]) -> dict[str, list[int]]:
    """The rows of each prompt."""
    return {p: [i for i, q in enumerate(prompts) if p == q] for p in dict.fromkeys(prompts)}


def mean_of(log_p: torch.Tensor, weights: torch.Tensor, mean: str) -> torch.Tensor:
    """Scores (B,), as in the module.

    Args:
        log_p: log-probabilities (B, Q).
        weights: (Q,), more than 0.
        mean: "geometric", "log" or "arithmetic".
    """
    shares = weights / weights.sum()
    if mean == "arithmetic":
        return (log_p.exp() * shares).sum(1)
    log = (log_p * shares).sum(1)
    return log if mean == "log" else log.exp()


@dataclass(frozen=True)
class Checklist:
    """Settings of a checklist.

    Args:
        judge: a scorer that answers questions, None without a connection.
        questions: lines as in `checklist_lines`.
        mean: of the answers' probabilities, as in the module.
        writer: the host's CLIP, None without a connection.
    """

    gradient: ClassVar[bool] = True

    judge: Scorer | None = field(
        default=None,
        metadata={
            "tooltip": "The model that answers: a Reward Model Loader whose reward begins with "
            "vqascore. Its own question is not used.",
            "socket": "reward",
        },
    )
    questions: str = field(
        default="",
        metadata={
            "tooltip": "One a line: question = answer * weight. {} is the prompt. If empty, they "
            "are made from the prompt.",
            "placeholder": "How many cats are there? = 2 * 1.5",
            "multiline": True,
        },
    )
    mean: str = field(
        default="geometric",
        metadata={
            "tooltip": "geometric: a single wrong item counts most. arithmetic: all count alike. "
            "log: logarithm of geometric, best for gradients.",
            "choices": ("geometric", "arithmetic", "log"),
        },
    )
    writer: Any = field(
        default=None,
        metadata={
            "tooltip": "Optional: a language model from Load CLIP that writes the questions. "
            "Without one, rules make them.",
            "socket": "clip",
        },
    )

    def load(self, files: Files | None = None) -> ChecklistScorer:
        """Read the lines. `files` are not used.

        Raises:
            ValueError: no judge is connected, or a line cannot be read.
        """
        if not asks(self.judge):
            got = "nothing" if self.judge is None else "a reward that answers no questions"
            raise ValueError(
                f"`judge` is not a model that answers questions: got {got}, expected a reward "
                "whose name begins with vqascore."
            )
        lines = tuple(read_lines(self.questions))
        if self.writer is not None:
            check_writer(self.writer)
        return ChecklistScorer(self.judge, lines, self.mean, self.writer)
