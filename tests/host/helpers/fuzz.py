"""Random prompts, valid and not, made of what the nodes say of their inputs; how each ends."""

import copy
import json
import math
import random
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

from pack.tools.probing.graphs import node, particles, search

OWN = "FlowSearch"  # the prefix of the pack's node ids
DYNAMIC = "COMFY_DYNAMICCOMBO_V3"
SIZE = 32
NASTY = (
    None, "", "abc", "NaN", "../../x", "\0é", "x" * 20_000, True, -1, 0, 1, 7, 2**31, 2**63, 10**30,
    0.5, -0.5, 1e308, -1e308, math.nan, math.inf, -math.inf, [], {}, [[]], {"a": 1}, [1, 2, 3],
    ["search", 0], ["loader", 0], ["loader", 9], ["loader", -1], ["loader", "0"], ["nowhere", 0],
)  # fmt: skip
TEXTS = ("", "two blue squares", "ö" * 500, "cyan: 1", "{}", '{"version": 1, "trace": []}')
PATIENCE, ENDS = 6.0, 60.0  # seconds before a prompt is cancelled, and until it has to end then


# ---- prompts


def small(graph):
    graph["latent"]["inputs"] |= {"width": SIZE, "height": SIZE}
    graph["probe"] = node("PreviewImage", images=["search", 1])
    return graph


def everything():
    """A search with every input wired."""
    graph = small(search(steps=3, name="fuzz"))
    graph["other"] = node("FlowSearchRewardLoader", reward="brightness")
    for i in range(3, 5):
        graph[f"reward {i}"] = node("FlowSearchRewardLoader", reward="sharpness")
    graph["both"] = node(
        "FlowSearchRewardCombine",
        mode="weighted_sum", reward_1=["reward", 0], reward_2=["other", 0],
        reward_3=["reward 3", 0], reward_4=["reward 4", 0],
    )  # fmt: skip
    graph["clips"] = node(
        "FlowSearchRewardLoader", **{"reward": "video", "reward.frame_reward": ["both", 0]}
    )
    graph["search"]["inputs"] |= {
        "reward": ["clips", 0], "watchdog": ["other", 0], "preview_vae": ["loader", 2],
        "lookahead": 1, "window_start": 0.99, "window_end": 0.2,
    }  # fmt: skip
    graph["score"] = node(
        "FlowSearchRewardScore", images=["search", 1], reward=["both", 0], prompt="one red circle"
    )
    graph["shown"] = node("PreviewAny", source=["score", 2])
    graph["chart"] = node("FlowSearchReport", report=["search", 2], csv_prefix="fuzz/report")
    return graph


def again():
    """A search, and its winner again by another node."""
    graph = small(search(steps=3, name="fuzz", budget=12))
    graph["again"] = copy.deepcopy(graph["search"])
    graph["again"]["inputs"]["replay"] = ["search", 2]
    graph["shown again"] = node("PreviewImage", images=["again", 1])
    return graph


def swapped():
    """Search KSampler in the place of sampler, sigmas and guider."""
    graph = small(search(steps=3, name="fuzz"))
    graph["search"] = node(
        "FlowSearchKSampler", model=["count", 0], positive=["text", 0], negative=["empty", 0],
        latent_image=["latent", 0], seed=7, steps=2, cfg=1.0, sampler_name="euler",
        scheduler="simple", denoise=1.0, vae=["loader", 2], reward=["reward", 0], effort=6,
        prompt="",
    )  # fmt: skip
    return graph


def plain():
    graph = small(search(steps=3, name="fuzz"))
    own = ("noise", "guider", "sampler", "sigmas", "latent_image")
    wires = {name: graph["search"]["inputs"][name] for name in own}
    graph["search"] = node("SamplerCustomAdvanced", **wires)
    graph["picture"] = node("VAEDecode", samples=["search", 0], vae=["loader", 2])
    graph["probe"] = node("PreviewImage", images=["picture", 0])
    return graph


def bases(info):
    """Prompts to start from, each of which gives a result."""
    methods = options(info["FlowSearchParticles"]["input"]["required"]["method"])
    found = [small(search(steps=3, name="fuzz", budget=12)), everything(), plain(), again()]
    found.append(swapped())
    for method in methods:
        found.append(small(particles(search(steps=3, name="fuzz", budget=24), method)))
    return found


def options(spec):
    """key -> specs of the inputs it brings, of a DynamicCombo; of a combo its values."""
    if spec[0] == DYNAMIC:
        return {o["key"]: flat(o["inputs"]) for o in spec[1]["options"]}
    own = spec[1] if len(spec) > 1 else {}
    return dict.fromkeys(spec[0] if isinstance(spec[0], list) else own.get("options", []), {})


def is_link(value):
    """What the host takes for one.

    It does not check those of dynamic, hidden and unknown inputs, and one to nowhere there ends its
    prompt worker: nothing runs after that (0.30.0, any node of any pack).
    """
    return isinstance(value, list) and len(value) == 2


def flat(inputs):
    return {name: spec for part in inputs.values() for name, spec in part.items()}


@dataclass
class Fuzzer:
    """Makes prompts; `info` is the host's object_info."""

    info: dict
    rng: random.Random

    def __post_init__(self):
        self.bases = bases(self.info)

    def prompt(self):
        graph = copy.deepcopy(self.rng.choice(self.bases))
        graph["noise"]["inputs"]["noise_seed"] = self.rng.randrange(2**32)
        for _ in range(self.rng.choice((1, 1, 2, 3))):
            self.change(graph)
        return graph

    def change(self, graph):
        own = [name for name, one in graph.items() if one["class_type"].startswith(OWN)]
        name = self.rng.choice(own)
        given = self.info[graph[name]["class_type"]]["input"]
        specs = flat({part: given.get(part, {}) for part in ("required", "optional")})
        inputs = graph[name]["inputs"]
        what = self.rng.random()
        if what < 0.45:
            key = self.rng.choice(list(specs))
            self.valid(graph, inputs, key, specs[key])
        elif what < 0.85:
            key = self.rng.choice([*inputs, *specs, *(f"{key}.unknown" for key in specs)])
            known = key in specs and specs[key][0] != DYNAMIC
            inputs[key] = self.rng.choice([v for v in NASTY if known or not is_link(v)])
        elif inputs and what < 0.93:
            del inputs[self.rng.choice(list(inputs))]
        elif inputs:
            inputs[self.rng.choice(list(inputs))] = [self.rng.choice(list(graph)), 0]

    def valid(self, graph, inputs, key, spec):
        """Give an input a value that its spec allows."""
        kind, given = spec[0], spec[1] if len(spec) > 1 else {}
        if kind == DYNAMIC:
            chosen = self.rng.choice(list(options(spec)))
            for old in [name for name in inputs if name.startswith(f"{key}.")]:
                del inputs[old]
            inputs[key] = chosen
            for name, own in options(spec)[chosen].items():
                if self.rng.random() < 0.5:
                    self.valid(graph, inputs, f"{key}.{name}", own)
        elif kind in ("INT", "FLOAT"):
            low, high = given.get("min", 0), given.get("max", 100)
            high = self.rng.choice((high, min(high, 10), min(high, 100)))
            value = self.rng.uniform(low, max(low, high))
            inputs[key] = self.rng.choice((low, high, value)) if kind == "FLOAT" else int(value)
        elif kind == "BOOLEAN":
            inputs[key] = self.rng.random() < 0.5
        elif kind == "STRING":
            inputs[key] = self.rng.choice((*TEXTS, *self.fitting(graph, kind)))
        elif listed := options(spec):
            inputs[key] = self.rng.choice(list(listed))
        elif fits := self.fitting(graph, kind):
            inputs[key] = self.rng.choice(fits)

    def fitting(self, graph, kind):
        """Links to the outputs of a kind."""
        outputs = {n: self.info[o["class_type"]]["output"] for n, o in graph.items()}
        return [[n, i] for n, o in outputs.items() for i, k in enumerate(o) if k == kind]


# ---- how a prompt ends


@dataclass(frozen=True)
class End:
    """`kind`: result, refused (before it ran), error, cancelled (it took long), or a hang.

    `node` is the class of the node that failed.
    """

    kind: str
    text: str = ""
    error: str = ""
    node: str = ""

    @property
    def clear(self):
        """Whether a user knows what happened: a result, or one sentence that was meant for them."""
        if self.kind in ("result", "cancelled"):
            return True
        if self.kind == "hang" or not self.text.strip():
            return False
        if self.kind == "refused" or not self.node.startswith(OWN):
            return True  # the host's own words
        words, lines = self.text.split(), self.text.splitlines()
        return self.error == "ValueError" and len(lines) == 1 and 5 < len(words) < 150


TRACE, ERROR = "Traceback (most recent call last)", "!!! Exception during processing !!!"
CHAINED = ("The above exception was the direct cause", "During handling of the above exception")


def stray_traces(log):
    """Beginnings of the stack traces that the host did not print for the error of a node."""
    lines, found, told = [line for line in log.splitlines() if line.strip()], [], False
    for i, line in enumerate(lines):
        if TRACE in line and not (told or lines[i - 1].startswith(CHAINED)):
            found.append("\n".join(lines[max(0, i - 1) : i + 4]))
        told = ERROR in line or (told and TRACE not in line)
    return found


def post(url, path, body):
    """(status, answer) of a POST."""
    request = urllib.request.Request(url + path, json.dumps(body).encode())
    request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def ended(client, number, seconds):
    """The history entry of a prompt, None if it does not end in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        entry = client.get(f"/history/{number}").get(number)
        if entry is not None:
            return entry
        time.sleep(0.01)
    return None


def run(client, prompt, patience=PATIENCE):
    """How a prompt ends; one that takes longer is cancelled, and has to end then."""
    status, answer = post(client.url, "/prompt", {"prompt": prompt, "client_id": client.id})
    if status >= 500:
        return End("error", answer, "HTTP 500", OWN)
    if status >= 400 or json.loads(answer).get("node_errors"):
        return End("refused", answer)
    number = json.loads(answer)["prompt_id"]
    entry = ended(client, number, patience)
    late = entry is None
    if late:
        post(client.url, "/interrupt", {})
        entry = ended(client, number, ENDS)
        if entry is None:
            return End("hang")
    for kind, data in entry["status"]["messages"]:
        if kind == "execution_error":
            text, error = data["exception_message"], data["exception_type"].split(".")[-1]
            return End("error", text.strip(), error, data["node_type"])
    return End("cancelled" if late else "result")
