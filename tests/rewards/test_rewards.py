"""What every reward in the registry keeps to."""

import dataclasses
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from pack.rewards import REWARDS, Reward, Scorer, maximum_of
from pack.samplers.search.threshold import VerifierThreshold

from .scenes import random_scene

ROOT = Path(__file__).resolve().parents[2]
PROMPT = "three red circles and two blue squares"
KNOWN = {"tooltip", "min", "max", "step", "choices", "multiline", "placeholder", "advanced"}
# What the help page tells of each one's range, in its row or what stands before the table.
RANGES = {
    "0 to 1": ["vqascore", "vqascore_host", "vqascore_http", "vqascore_instructblip",
               "vqascore_vlm", "text_reader", "checklist"],
    "0.1 to 0.4 in practice": ["clip_score"], "about −20 to 10": ["siglip_score"],
    "at most 0": ["clip_reference", "jpeg_compressibility", "jpeg_incompressibility"],
    "about −2.3 to 2": ["image_reward"], "about 0.2 to 0.4": ["hps_v2"],
    "about −5 to 15": ["hps_v3"], "about 0 to 20": ["mps"],
    "0 is even chances": ["classifier"], "about −1 to 1": ["taste"],
    "about 1 to 10": ["laion_aesthetic", "aesthetic_v2_5"],
    "above −1, every count is right": ["object_count", "object_count_owl", "colour_count",
                                       "shape_count"],
    "−1 to 0": ["brightness"], "0 for grey": ["colourfulness"],
    "0 for a flat image": ["sharpness"], "their mean, their minimum": ["video"],
    "any number": ["edit_reward"], "0 for the authors' average": ["video_reward"],
    "−1 to 1": ["temporal_consistency", "dino_reference"],
}  # fmt: skip
BOUNDS = {  # of a reward that is not here: to its maximum, if it declares one
    "brightness": (-1.0, 0.0), "colour_count": (-np.inf, 0.0), "colourfulness": (0.0, np.inf),
    "shape_count": (-np.inf, 0.0),
    "jpeg_compressibility": (-np.inf, 0.0), "jpeg_incompressibility": (0.0, np.inf),
    "sharpness": (0.0, np.inf),
}  # fmt: skip
WEIGHT_FREE = [
    name
    for name, reward in REWARDS.items()
    if name != "vqascore_http"  # its weights are a server's
    and not any({"checkpoint", "socket"} & set(f.metadata) for f in dataclasses.fields(reward))
]


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(2)
    return torch.tensor(np.stack([random_scene(rng, 64)[0] for _ in range(5)]))


@pytest.mark.parametrize("name", REWARDS)
def test_settings_are_declared(name):
    reward = REWARDS[name]
    assert isinstance(reward(), Reward)
    assert dataclasses.is_dataclass(reward) and reward.__dataclass_params__.frozen
    for field in dataclasses.fields(reward):
        value, meta = field.default, field.metadata
        assert meta["tooltip"], field.name
        assert set(meta) <= KNOWN | {"checkpoint", "optional", "socket"}
        if "socket" in meta:
            assert value is None
            continue
        assert type(value) in (float, int, bool, str)
        if "choices" in meta:
            assert value in meta["choices"]
        if type(value) in (int, float):
            assert meta["min"] <= value <= meta["max"] and meta["step"] > 0


def test_each_is_in_the_help_page_and_the_page_of_rewards():
    page = (ROOT / "web" / "docs" / "FlowSearchRewardLoader.md").read_text("utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| ")]
    assert sorted(re.findall(r"\w+", " ".join(rows))) == sorted([*REWARDS, *["reward"] * 8])
    table = (ROOT / "docs" / "rewards.md").read_text("utf-8")
    assert not [name for name in REWARDS if f"`{name}`" not in table]


def test_downloads_are_asked_for_as_hf_reads_them():
    """One pattern a flag: hf 1.0 and newer takes a further one for a file's name."""
    page = (ROOT / "docs" / "rewards.md").read_text("utf-8")
    commands = [shlex.split(line) for line in re.findall(r"`(hf download .*?)`", page)]
    assert commands
    for words in commands:
        flags, values = words[3::2], words[4::2]
        assert len(flags) == len(values) and set(flags) == {"--include", "--local-dir"}
        assert {"*.json", "*.txt", "*.safetensors"} < set(values)


def test_the_help_page_tells_each_range():
    assert {name for names in RANGES.values() for name in names} <= set(REWARDS)
    page = (ROOT / "web" / "docs" / "FlowSearchRewardLoader.md").read_text("utf-8")
    said = {}
    for section in page.split("\n\n**"):
        intro, *rows = section.split("\n| ")
        said |= {
            word: intro + row for row in rows for word in re.findall(r"\w+", row.split("|")[0])
        }
    for words, names in RANGES.items():
        assert not [name for name in names if words not in said[name]], words


@pytest.mark.parametrize("name", WEIGHT_FREE)
def test_scores_keep_to_their_range(name, images):
    highest = maximum_of(REWARDS[name]())
    low, high = BOUNDS.get(name, (-np.inf, np.inf if highest is None else highest))
    flat = torch.tensor([0.0, 1.0])[:, None, None, None].expand(2, *images.shape[1:])
    scores = REWARDS[name]().load().score(torch.cat([images, flat]), [PROMPT] * 7)
    assert scores.isfinite().all() and (scores >= low).all() and (scores <= high).all()


@pytest.mark.parametrize("name", WEIGHT_FREE)
def test_scores_do_not_depend_on_the_batch(name, images):
    scorer = REWARDS[name]().load()
    assert isinstance(scorer, Scorer) and scorer.module is None
    scorer.check(PROMPT)
    together = scorer.score(images, [PROMPT] * 5)
    assert together.dtype == torch.float32 and together.shape == (5,)
    assert together.unique().numel() > 1
    alone = torch.cat([scorer.score(images[i : i + 1], [PROMPT]) for i in range(5)])
    assert torch.equal(together, alone)
    assert torch.equal(scorer.score(images.flip(0), [PROMPT] * 5), together.flip(0))
    assert scorer.score(images[:0], []).shape == (0,)


@pytest.mark.parametrize("name", WEIGHT_FREE)
def test_nan_stays_with_its_image(name, images):
    images = images.clone()
    images[2, 0, 0, 1] = float("nan")
    scores = REWARDS[name]().load().score(images, [PROMPT] * 5)
    assert scores.isnan().tolist() == [False, False, True, False, False]


@pytest.mark.parametrize("name", WEIGHT_FREE)
@pytest.mark.parametrize(
    ("shape", "prompts", "message"),
    [
        ((8, 8, 3), [PROMPT] * 8, r"\(8, 8, 3\).*expected \(batch, height, width, 3\)"),
        ((2, 3, 8, 8), [PROMPT] * 2, r"\(2, 3, 8, 8\).*expected"),
        ((2, 8, 8, 4), [PROMPT] * 2, r"\(2, 8, 8, 4\).*expected"),
        ((2, 8, 8, 3), [PROMPT], "1 prompts for 2 images"),
        ((2, 8, 8, 3), PROMPT, "one string for 2 images"),
    ],
)
def test_wrong_shapes(name, shape, prompts, message):
    with pytest.raises(ValueError, match=message):
        REWARDS[name]().load().score(torch.zeros(shape), prompts)


@pytest.mark.parametrize("name", [n for n, r in REWARDS.items() if hasattr(r, "tie_break")])
def test_a_right_count_reaches_the_verifier_threshold(name):
    """Whatever is taken off to break ties; a count that is off by one does not reach it."""
    (tie_break,) = (f for f in dataclasses.fields(REWARDS[name]) if f.name == "tie_break")
    assert -1 < VerifierThreshold().threshold < -tie_break.metadata["max"]
