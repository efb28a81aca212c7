"""Rewards, decoders and networks that fail, and rewards slow enough to be interrupted."""

import dataclasses
import time
from pathlib import Path

import folder_paths
import torch

from .shared import Wrapped

NAN, RAISE, SLOW, SLEEPY = "nan", "raise", "slow", "sleepy"


@dataclasses.dataclass
class TroubledReward:
    """Another reward, in trouble from its `first` picture on, for `count` pictures.

    slow: every call sleeps, and tells by a file how many pictures it has seen. sleepy: the
    first call sleeps for a second.
    """

    reward: object
    kind: str
    first: int
    count: int
    name: str
    seen: int = 0

    @property
    def settings(self):
        return self.reward.settings

    @property
    def at_once(self):
        return self.reward.at_once

    @property
    def blames(self):
        return False

    @property
    def itemised(self):
        return False

    @property
    def gradient(self):
        return self.reward.gradient

    def fresh(self):
        return dataclasses.replace(self, reward=self.reward.fresh(), seen=0)

    def check(self, prompt):
        self.reward.check(prompt)

    def score(self, images, prompt):
        if not images.isfinite().all():
            raise AssertionError("a picture that is not finite was given to the reward")
        rows = self.seen + torch.arange(len(images))
        self.seen += len(images)
        hit = (rows >= self.first) & (rows < self.first + self.count)
        if self.kind == RAISE and hit.any():
            raise RuntimeError("the reward broke")
        if self.kind == SLEEPY and self.seen == len(images):
            time.sleep(1.0)
        if self.kind == SLOW:
            time.sleep(0.03)
            told = Path(folder_paths.get_output_directory(), f"seen_{self.name}")
            told.write_text(str(self.seen))
        scores = self.reward.score(images, prompt)
        return scores.masked_fill(hit, torch.nan) if self.kind == NAN else scores


class Reward:
    @classmethod
    def INPUT_TYPES(cls):
        number = ("INT", {"default": 0, "max": 1 << 30})
        return {
            "required": {
                "reward": ("FLOW_REWARD",), "kind": ([NAN, RAISE, SLOW, SLEEPY],),
                "first": number, "count": number, "name": ("STRING", {"default": "run"}),
            }
        }  # fmt: skip

    RETURN_TYPES = ("FLOW_REWARD",)
    FUNCTION = "run"
    CATEGORY = "probe"

    def run(self, **inputs):
        return (TroubledReward(**inputs),)


@dataclasses.dataclass
class TroubledVAE:
    """A decoder of which pictures `first` to `first + count` are not finite."""

    vae: object
    first: int
    count: int
    seen: int = 0

    def decode(self, latents):
        rows = self.seen + torch.arange(len(latents))
        self.seen += len(latents)
        images = self.vae.decode(latents)
        images[(rows >= self.first) & (rows < self.first + self.count), 0, 0, 0] = torch.nan
        return images


class VAE:
    @classmethod
    def INPUT_TYPES(cls):
        number = ("INT", {"default": 0, "max": 1 << 30})
        return {
            "required": {
                "vae": ("VAE",), "first": number, "count": number,
                "name": ("STRING", {"default": "run"}),
            }
        }  # fmt: skip

    RETURN_TYPES = ("VAE",)
    FUNCTION = "run"
    CATEGORY = "probe"

    def run(self, vae, first, count, name):
        return (TroubledVAE(vae, first, count),)


class Network(Wrapped):
    """A model whose `call_number`-th prediction is not finite in its first row; -1: every row of
    all."""

    INPUTS = {"call_number": ("INT", {"default": 0}), "name": ("STRING", {"default": "run"})}

    def begin(self):
        self.calls = iter(range(1 << 30))

    def call(self, ask, args):
        answer = ask(args)
        if next(self.calls) == self.call_number:
            answer[0].view(-1)[0] = torch.nan
        if self.call_number < 0:
            answer[:, 0] = torch.nan
        return answer


NODES = {
    "ProbeTroubledReward": Reward,
    "ProbeTroubledVAE": VAE,
    "ProbeTroubledNetwork": Network,
}
