"""Guiders, guidance functions and wrappers of other packs, imitated: what they keep between calls.

Each in its own words does what the pack's does to a sampler's calls; PURE keep nothing.
"""

import comfy.samplers
import torch
from comfy_extras.nodes_perpneg import Guider_PerpNeg

from .shared import passed

GIVEN = comfy.samplers.CFGGuider.predict_noise


def ask(guider, x, timestep, cfg, options, seed):
    """The host's prediction with another cfg; without the negative where it is None."""
    negative = guider.conds.get("negative") if cfg is not None else None
    return comfy.samplers.sampling_function(
        guider.inner_model, x, timestep, negative, guider.conds.get("positive"),
        1.0 if cfg is None else cfg, model_options=options, seed=seed,
    )  # fmt: skip


class ByList(comfy.samplers.CFGGuider):
    """KJNodes' scheduled guidance: `cfg` is a list with a value for each step, or one for all
    between two percents; the step is found among the sigmas of the run."""

    between = 0.0, 1.0

    def predict_noise(self, x, timestep, model_options=None, seed=None):
        sigmas = model_options["transformer_options"]["sample_sigmas"]
        found = (sigmas == timestep).nonzero()
        several = isinstance(self.cfg, list)
        assert not several or len(self.cfg) == len(sigmas) - 1, "as many cfgs as steps"
        if len(found):
            step = found.item()
        else:
            inside = [
                i for i in range(len(sigmas) - 1)
                if (sigmas[i] - timestep[0]) * (sigmas[i + 1] - timestep[0]) <= 0
            ]  # fmt: skip
            step = inside[0] if inside else 0
        first, last = self.between
        if not first <= step / (len(sigmas) - 1) <= last:
            return ask(self, x, timestep, None, model_options, seed)
        cfg = self.cfg[step] if several else self.cfg
        return ask(self, x, timestep, cfg, model_options, seed)


class ByHalf(ByList):
    """The same with one number, on the first half of the steps alone: half as dear after that."""

    between = 0.0, 0.5


class BySigma(comfy.samplers.CFGGuider):
    """Inspire's scheduled guider: values by exact sigma; of one that it does not know, the value
    behind that of the call before, if there is one."""

    def given(self, sigmas):
        self.steps = [(4.0 - 3.0 * i / (len(sigmas) - 1), i) for i in range(len(sigmas))]
        self.known = {float(s): step for s, step in zip(sigmas, self.steps, strict=True)}
        self.by_step, self.last = dict(enumerate(self.steps)), 0

    def predict_noise(self, x, timestep, model_options=None, seed=None):
        sigma = float(timestep[0])
        if sigma not in self.known:
            self.known[sigma] = self.by_step[self.last + 1]
        self.cfg, self.last = self.known[sigma]
        return super().predict_noise(x, timestep, model_options, seed)


class PerpNegBySigma(BySigma, Guider_PerpNeg):
    """Inspire's other one."""

    neg_scale = 1.0


class ByExactSigma(BySigma):
    """A table of sigmas and nothing else."""

    def predict_noise(self, x, timestep, model_options=None, seed=None):
        self.cfg, self.last = self.known[float(timestep[0])]
        return GIVEN(self, x, timestep, model_options, seed)


class ByIndex(BySigma):
    """The place of the sigma in the run's own, which has to be there."""

    def predict_noise(self, x, timestep, model_options=None, seed=None):
        sigmas = model_options["transformer_options"]["sample_sigmas"]
        step = (sigmas == timestep[0]).nonzero().item()
        return ask(self, x, timestep, self.steps[step][0], model_options, seed)


class ByCount(comfy.samplers.CFGGuider):
    """A step is a call."""

    calls = 0

    def step(self, sigma):
        self.calls += 1

    def predict_noise(self, x, timestep, model_options=None, seed=None):
        self.step(float(timestep[0]))
        return ask(self, x, timestep, 4.0 / self.calls, model_options, seed)


class ByCountFromTheFirst(ByCount):
    """A step is a call, counted anew where the sigma rises."""

    before = 0.0

    def step(self, sigma):
        self.calls = 1 if sigma > self.before else self.calls + 1
        self.before = sigma


class Adaptive(comfy.samplers.CFGGuider):
    """Adaptive guidance: once the two predictions are near, the sigmas below have no negative. In
    the middle of the way they always are."""

    below = 0.0

    def predict_noise(self, x, timestep, model_options=None, seed=None):
        sigma = float(timestep[0])
        if self.below > sigma:
            return ask(self, x, timestep, None, model_options, seed)
        self.below = 0.0
        negative, positive = comfy.samplers.calc_cond_batch(
            self.inner_model, [self.conds["negative"], self.conds["positive"]], x, timestep,
            model_options,
        )  # fmt: skip
        if 0.3 < sigma < 0.985:
            self.below = sigma
        return negative + 4.0 * (positive - negative)


class Fresh(comfy.samplers.CFGGuider):
    """Noise of its own in each call."""

    def predict_noise(self, x, timestep, model_options=None, seed=None):
        return super().predict_noise(x, timestep, model_options, seed) + 0.1 * torch.randn_like(x)


class ByFirstAnswer(comfy.samplers.CFGGuider):
    """A cache by sigma: whatever is asked there again gets what was asked first."""

    def predict_noise(self, x, timestep, model_options=None, seed=None):
        kept = vars(self).setdefault("kept", {})
        sigma = float(timestep[0])
        if sigma not in kept:
            kept[sigma] = super().predict_noise(x, timestep, model_options, seed)
        return kept[sigma][:1].expand_as(x)


class WithoutCfg(comfy.samplers.CFGGuider):
    """Two strengths of its own, and no `cfg` at all."""

    def __init__(self, model):
        super().__init__(model)
        del self.cfg

    def predict_noise(self, x, timestep, model_options=None, seed=None):
        return ask(self, x, timestep, 2.0, model_options, seed)


class Renamed(comfy.samplers.CFGGuider):
    """Of another pack, but the host answers."""


class Constant:
    """A cfg function that ... keeps nothing."""

    def __call__(self, args):
        return args["uncond"] + args["cond_scale"] * (args["cond"] - args["uncond"])


class Projected(Constant):
    """Adaptive projected guidance with a running average of all guidance so far."""

    def __init__(self, momentum):
        self.momentum, self.running = momentum, 0

    def update(self, guidance):
        self.running = guidance + self.momentum * self.running
        return self.running

    def __call__(self, args):
        axes = [-1, -2, -3]
        cond, guidance = args["cond"], self.update(args["cond"] - args["uncond"])
        scale = 15.0 / guidance.norm(p=2, dim=axes, keepdim=True)
        guidance = guidance * torch.minimum(torch.ones_like(guidance), scale)
        unit = torch.nn.functional.normalize(cond, dim=axes)
        along = (guidance * unit).sum(dim=axes, keepdim=True) * unit
        return cond + (args["cond_scale"] - 1) * (guidance - along + 0.5 * along)


class ProjectedOnly(Projected):
    """Without an average."""

    def update(self, guidance):
        return guidance


class ProjectedAnew(Projected):
    """Begins anew where the rows of a call are others in number."""

    def update(self, guidance):
        if torch.is_tensor(self.running) and self.running.shape != guidance.shape:
            self.running = 0
        return super().update(guidance)


class ByMean(Constant):
    """Every row is guided by the mean of the call's."""

    def __call__(self, args):
        mean = (args["cond"] - args["uncond"]).mean(0, keepdim=True)
        return args["uncond"] + args["cond_scale"] * mean.expand_as(args["cond"])


class Drifting:
    """A wrapper around the network: some of the answer before is in each."""

    before = 0

    def __call__(self, apply_model, args):
        answer = passed(apply_model, args)
        rows = len(answer)
        if torch.is_tensor(self.before):
            answer = answer + 0.2 * self.before[:1].expand(rows, *[-1] * (answer.ndim - 1))
        self.before = answer.clone()
        return answer


class Scaled:
    """A wrapper around the network that changes each answer, and keeps nothing."""

    def __call__(self, apply_model, args):
        return 0.9 * passed(apply_model, args)


class Louder:
    """A wrapper around the network whose answers grow by a question of its own."""

    def __call__(self, apply_model, args):
        inside = {"input": args["input"] * 1.01, "timestep": args["timestep"], "c": args["c"]}
        return passed(apply_model, inside)


def cfg_function(make):
    return lambda model: model.set_model_sampler_cfg_function(make())


def after_cfg(make):
    def put(model):
        function = make()
        model.set_model_sampler_post_cfg_function(
            lambda args: args["input"] - function(
                {"cond": args["input"] - args["cond_denoised"],
                 "uncond": args["input"] - args["uncond_denoised"],
                 "cond_scale": args["cond_scale"]}
            )
        )  # fmt: skip

    return put


def around(make):
    return lambda model: model.set_model_unet_function_wrapper(make())


def around_blocks(model):
    before = []

    def remembering(executor, x, *args, **kwargs):
        answer = executor(x, *args, **kwargs)
        before.append(answer[:1].clone())
        return answer + 0.2 * before[-2] if len(before) > 1 else answer

    model.add_wrapper_with_key("diffusion_model", "remembering", remembering)


def around_guidance(model):
    calls = []

    def counted(executor, x, *args, **kwargs):
        calls.append(1)
        return executor(x, *args, **kwargs) * (1.0 + 0.1 * len(calls))

    model.add_wrapper_with_key("predict_noise", "counted", counted)


def across_rows(model):
    def shared(q, k, v, **options):
        return {"q": q, "k": k, "v": 0.5 * (v + v.mean(0, keepdim=True))}

    model.set_model_attn1_patch(shared)


ON_MODEL = {
    "nothing": lambda model: None,
    "APG": cfg_function(lambda: Projected(-0.5)),
    "APG that begins anew": cfg_function(lambda: ProjectedAnew(0.5)),
    "APG whose average counts nothing": cfg_function(lambda: Projected(0.0)),
    "APG without an average": cfg_function(lambda: ProjectedOnly(0.0)),
    "APG after the cfg": after_cfg(lambda: ProjectedAnew(-0.5)),
    "the mean of a call": cfg_function(ByMean),
    "a function that keeps nothing": cfg_function(Constant),
    "a drifting wrapper": around(Drifting),
    "a scaling wrapper": around(Scaled),
    "a wrapper that asks otherwise": around(Louder),
    "a wrapper of the blocks": around_blocks,
    "a wrapper of the guidance": around_guidance,
    "attention across rows": across_rows,
}
GUIDERS = {
    each.__name__: each
    for each in (
        ByList, ByHalf, BySigma, PerpNegBySigma, ByExactSigma, ByIndex, ByCount,
        ByCountFromTheFirst, Adaptive, Fresh, ByFirstAnswer, WithoutCfg, Renamed,
    )
}  # fmt: skip


class OnModel:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model": ("MODEL",), "kind": (list(ON_MODEL),)}}

    RETURN_TYPES = ("MODEL",)
    FUNCTION = "run"
    CATEGORY = "probe"

    def run(self, model, kind):
        model = model.clone()
        ON_MODEL[kind](model)
        return (model,)


class Guide:
    """A guider of a kind; `cfg` is a number, or several with commas, or none."""

    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "model": ("MODEL",), "positive": ("CONDITIONING",), "negative": ("CONDITIONING",),
                "sigmas": ("SIGMAS",), "kind": (list(GUIDERS),), "cfg": ("STRING", {}),
            }
        }  # fmt: skip

    RETURN_TYPES = ("GUIDER",)
    FUNCTION = "run"
    CATEGORY = "probe"

    def run(self, model, positive, negative, sigmas, kind, cfg):
        guider = GUIDERS[kind](model)
        named = {"positive": positive, "negative": negative}
        if kind == "PerpNegBySigma":
            named["empty_negative_prompt"] = negative
        guider.inner_set_conds(named)
        several = [float(part) for part in cfg.split(",") if part]
        if hasattr(guider, "given"):
            guider.given(sigmas)
        elif several and kind != "WithoutCfg":
            guider.cfg = several if "," in cfg else several[0]
        return (guider,)


NODES = {"ProbeOnModel": OnModel, "ProbeGuide": Guide}
