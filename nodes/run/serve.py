"""What a worker runs in place of a search node: it waits for jobs inside `guider.sample`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ...samplers.crew.job import perform
from ...samplers.search.best_of_n import BestOfN
from ..host.experts import experts_of
from ..host.frames import to_frames
from ..host.network import Network
from ..schema import CATEGORY
from ..show.events import Sender
from ..show.progress import Progress
from ..workers.box import BOXES, Box
from ..workers.graph_cut import RUN_THERE
from ..workers.packing import array, pack_answer, tensor, unpack_job
from .inputs import SearchInputs, shared_inputs
from .one_search import OneSearch
from .plan import MethodChoice
from .planning import plan
from .safekeeping import Safekeeping


class Serving(OneSearch):
    """A search that does what another one asks for."""

    box: Box

    def _sample(self, x: Tensor, networks: Mapping[str, Network]) -> Tensor:
        scoring, final = self._objectives(experts_of(networks, self.plan.inputs.boundary))
        task = self._task(networks, x, scoring, final)
        settled = [task]

        def answer(packed: dict[str, Any]) -> dict[str, Any]:
            job = unpack_job(packed, x.device)
            if packed["settled"]:
                steps, ahead = packed["settled"]
                flow = task.flow.coarser(steps) if steps else task.flow
                settled[0] = replace(task, flow=flow, lookahead=ahead)
            objective = final if job.kind == "finish" else scoring
            objective.reward = objective.reward.taught(packed["learned"])
            objective.forget()
            done = pack_answer(perform(settled[0], job))
            images, rewards = objective.images, done["reward"].tolist()
            whole = {
                i: image
                for i, image in images.whole.items()
                if job.kind == "finish" or rewards[i] >= packed["record"]
            }
            kept = whole, images.small
            done["images"] = [{i: array(x) for i, x in rows.items()} for rows in kept]
            return done

        self.box.serve(answer)
        return x


class Serve(io.ComfyNode):
    """The node at the end of a worker's graph. It is known to workers only."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FlowSearchServe",
            display_name="Serve a search",
            category=CATEGORY,
            inputs=[*shared_inputs(*RUN_THERE), io.Int.Input("search")],
            outputs=[],
            is_output_node=True,
            not_idempotent=True,
        )

    @classmethod
    def fingerprint_inputs(cls, **inputs: Any) -> float:
        return math.nan

    @classmethod
    def execute(cls, search: int, **inputs: Any) -> io.NodeOutput:
        box = BOXES[search]
        sent = box.sent
        base = inputs["guider"].model_patcher.model
        latent = {"samples": to_frames(base, tensor(sent["samples"]))}
        if sent["mask"] is not None:
            latent["noise_mask"] = tensor(sent["mask"])
        inputs |= {
            "noise": SimpleNamespace(seed=sent["seed"]), "sigmas": tensor(sent["sigmas"]),
            "latent_image": latent,
            **sent["values"],
            "journal": False,
        }  # fmt: skip
        planned = plan(SearchInputs.of(inputs), MethodChoice("best_of_n", BestOfN(), {}))
        job = replace(planned.jobs[0], image=sent["image"], lookahead=sent["values"]["lookahead"])
        safe, bars = Safekeeping("", "", False), Progress(1)
        serving = Serving(planned, job, Sender("", None, None, 0, 1), bars, safe)
        serving.box = box
        noise, mask = tensor(sent["noise"]), latent.get("noise_mask")
        try:
            with bars, safe:
                serving.sampling(noise, planned.samples, mask).run(serving._sample)
        finally:
            box.close("The worker has ended the search.")
        return io.NodeOutput()
