"""From a detector's queries to counts, whole ones and soft ones that gradients pass through.

A query q has a score s_qc in [0, 1] for each class c and one box. It stands for its best class,
with s_q = max_c s_qc. A class counts the boxes that are

1. likely: s_q > tau_c = min(sure, max(floor, share * max_q s_q)), that is above ``floor``, and
   above ``sure`` or ``share`` of the class' best, as in the counting reward of arXiv 2503.19385;
2. distinct: in falling order of score, none overlaps an earlier one of its class by an IoU above
   ``overlap``; and none is the box of a whole group: two or more smaller likely boxes of its
   class, each four fifths inside it, make up over half of its area. That reward compares masks
   instead, which takes a second model.

    whole_c = number of them,        soft_c = sum_q sigmoid((s_q - tau_c) / softness)

The soft count is over the distinct boxes from half of ``floor`` up: below that, hundreds of queries
on nothing would add up. Which boxes are distinct and tau_c are constants to its gradient.
"""

from dataclasses import dataclass

import torch

INSIDE, MADE_UP = 0.8, 0.5


@dataclass(frozen=True)
class Rule:
    """What counts as a thing; all in [0, 1], ``floor`` <= ``sure``."""

    floor: float
    sure: float
    share: float
    overlap: float
    softness: float

    def count(self, scores: torch.Tensor, boxes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Scores (N, C) and boxes (N, 4), centre and size -> whole and soft counts, (C,) each."""
        score, label = scores.max(dim=1)
        member = label[:, None] == torch.arange(scores.shape[1], device=label.device)
        tau, likely, distinct = self._judged(score, label, member, boxes)
        weight = distinct * torch.sigmoid((score - tau) / self.softness)
        whole = (member & (distinct & likely)[:, None]).sum(0)
        return whole.float(), (member * weight[:, None]).sum(0)

    def things(self, scores: torch.Tensor, boxes: torch.Tensor) -> tuple[list[int], torch.Tensor]:
        """The classes of the boxes that count, and these boxes (M, 4), on the CPU."""
        score, label = scores.max(dim=1)
        member = label[:, None] == torch.arange(scores.shape[1], device=label.device)
        _, likely, distinct = self._judged(score, label, member, boxes)
        counted = distinct & likely
        return label[counted].tolist(), boxes[counted].cpu()

    @torch.no_grad()
    def _judged(
        self, score: torch.Tensor, label: torch.Tensor, member: torch.Tensor, boxes: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """(N,) each: tau of the box's class, whether it is likely, whether it is distinct."""
        best = (score[:, None] * member).amax(0)
        tau = (self.share * best).clamp(self.floor, self.sure)[label]
        likely = score > tau
        return tau, likely, self._distinct(score, label, likely, boxes)

    def _distinct(
        self, score: torch.Tensor, label: torch.Tensor, likely: torch.Tensor, boxes: torch.Tensor
    ) -> torch.Tensor:
        """Mask (N,) of the boxes that are things of their own, from half of ``floor`` up."""
        ranked = score.argsort(descending=True, stable=True)
        ranked = ranked[score[ranked] > self.floor / 2]
        # The loop below is over hundreds of steps of next to nothing: on the CPU.
        label, likely, boxes = (each[ranked].cpu() for each in (label, likely, boxes))
        shared, area = intersections(boxes.double())
        shared = shared * (label[:, None] == label)
        close = shared > self.overlap * (area[:, None] + area - shared)
        kept = torch.ones(len(area), dtype=torch.bool)
        for i in range(len(area)):
            if kept[i]:
                kept[i + 1 :] &= ~close[i, i + 1 :]
        part = (shared > INSIDE * area) & (area < area[:, None]) & (kept & likely)
        kept &= ~((part.sum(1) >= 2) & ((part * area).sum(1) > MADE_UP * area))
        distinct = torch.zeros_like(score, dtype=torch.bool)
        distinct[ranked] = kept.to(distinct.device)
        return distinct


def intersections(boxes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Boxes (N, 4), centre and size -> areas shared by each two (N, N), and areas (N,)."""
    centre, half = boxes[:, :2], boxes[:, 2:] / 2
    low, high = centre - half, centre + half
    sides = (torch.minimum(high[:, None], high) - torch.maximum(low[:, None], low)).clamp(min=0)
    return sides.prod(-1), boxes[:, 2:].prod(-1)
