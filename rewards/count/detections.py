"""From a detector's queries to whole counts, and to soft counts that have a gradient.

A query q has one box and a score s_qc in [0, 1] for each class c. It belongs to its best class,
with s_q = max_c s_qc. A class counts the boxes that are

1. likely: s_q > tau_c = min(sure, max(floor, share * max_q s_q)). This means above `floor`, and
   also above `sure` or above `share` of the best score of the class (arXiv 2503.19385);
2. distinct: no better box of the class overlaps it by an IoU above `overlap`, and it does not
   enclose a group. A box encloses a group if two or more smaller likely boxes of its class, each
   four fifths inside it, cover over half of its area. The paper compares masks instead, which
   takes a second model.

    whole_c = number of these boxes,        soft_c = sum_q sigmoid((s_q - tau_c) / softness)

The soft count sums over distinct boxes above half of `floor`. Below that, hundreds of empty
queries would add up. The gradient treats tau_c and the choice of boxes as constants.
"""

from dataclasses import dataclass

import torch

INSIDE, MADE_UP = 0.8, 0.5  # a part lies four fifths inside; parts cover over half of a group


@dataclass(frozen=True)
class Rule:
    """Which boxes count as a thing. All values are in [0, 1].

    Args:
        floor: a box with a lower score never counts; at most `sure`.
        sure: a box with a higher score is always likely.
        share: between `floor` and `sure`, a box is likely above this share of the best score.
        overlap: two boxes of one class are one thing above this IoU.
        softness: width of the step of soft counts, as a score.
    """

    floor: float
    sure: float
    share: float
    overlap: float
    softness: float

    def count(self, scores: torch.Tensor, boxes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Whole and soft counts (C,) from scores (N, C) and boxes (N, 4) as centre and size."""
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
        """Mask (N,) of the distinct boxes with a score above half of `floor`."""
        ranked = score.argsort(descending=True, stable=True)
        ranked = ranked[score[ranked] > self.floor / 2]
        # The loop below has hundreds of tiny steps, which the CPU does faster.
        label, likely, boxes = (values[ranked].cpu() for values in (label, likely, boxes))
        shared, area = intersections(boxes.double())
        shared = shared * (label[:, None] == label)
        close = shared > self.overlap * (area[:, None] + area - shared)
        keep = torch.ones(len(area), dtype=torch.bool)
        for i in range(len(area)):
            if keep[i]:
                keep[i + 1 :] &= ~close[i, i + 1 :]
        part = (shared > INSIDE * area) & (area < area[:, None]) & (keep & likely)
        keep &= ~((part.sum(1) >= 2) & ((part * area).sum(1) > MADE_UP * area))
        distinct = torch.zeros_like(score, dtype=torch.bool)
        distinct[ranked] = keep.to(distinct.device)
        return distinct


def intersections(boxes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Boxes (N, 4) as centre and size -> area shared by each pair (N, N), and areas (N,)."""
    centre, half = boxes[:, :2], boxes[:, 2:] / 2
    low, high = centre - half, centre + half
    sides = (torch.minimum(high[:, None], high) - torch.maximum(low[:, None], low)).clamp(min=0)
    return sides.prod(-1), boxes[:, 2:].prod(-1)
