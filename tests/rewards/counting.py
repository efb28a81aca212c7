"""Counts of detections by plain loops, to compare with, and weights for tiny detectors."""

import math
import zlib

import torch

ALSO = ("sampling_offsets", "_param", "class_embedding", "head.dense")


def spread(model, deviation):
    """Random weights by their names; the default start has zeros where published weights do not."""
    for name, weights in model.named_parameters():
        if weights.ndim > 1 or any(part in name for part in ALSO):
            seed = torch.Generator().manual_seed(zlib.crc32(name.encode()))
            weights.data.normal_(0, deviation, generator=seed)


def overlap_of(one, other):
    """Shared area of two boxes, centre and size."""
    sides = [
        min(one[i] + one[i + 2] / 2, other[i] + other[i + 2] / 2)
        - max(one[i] - one[i + 2] / 2, other[i] - other[i + 2] / 2)
        for i in (0, 1)
    ]
    return max(sides[0], 0.0) * max(sides[1], 0.0)


def naive_counts(scores, boxes, rule):
    """[(whole, soft)] by class, of scores [N][C] and boxes [N][4]."""
    found = []
    best = [row.index(max(row)) for row in scores]
    for c in range(len(scores[0])):
        mine = [q for q in range(len(scores)) if best[q] == c]
        top = max((scores[q][c] for q in mine), default=0.0)
        tau = min(rule.sure, max(rule.floor, rule.share * top))
        kept = []
        for q in sorted(mine, key=lambda q: -scores[q][c]):
            clash = False
            for k in kept:
                shared = overlap_of(boxes[q], boxes[k])
                areas = boxes[q][2] * boxes[q][3] + boxes[k][2] * boxes[k][3]
                clash |= shared / (areas - shared) > rule.overlap
            if not clash and scores[q][c] > rule.floor / 2:
                kept.append(q)
        single = [q for q in kept if not _is_group(q, kept, scores, boxes, c, tau)]
        whole = sum(scores[q][c] > tau for q in single)
        soft = sum(1 / (1 + math.exp((tau - scores[q][c]) / rule.softness)) for q in single)
        found.append((whole, soft))
    return found


def _is_group(q, kept, scores, boxes, c, tau):
    area = boxes[q][2] * boxes[q][3]
    parts = []
    for k in kept:
        size = boxes[k][2] * boxes[k][3]
        inside = overlap_of(boxes[q], boxes[k]) > 0.8 * size
        if scores[k][c] > tau and size < area and inside:
            parts.append(size)
    return len(parts) >= 2 and sum(parts) > 0.5 * area
