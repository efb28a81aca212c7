"""Run by test_config_sizes.py: loads what asks for far too much, within a limit of memory.

Arguments: the pack's folder, a folder to write into. Prints a JSON object
{family: {case: what was said, or "loaded"}}.
"""

import copy
import json
import runpy
import sys
from pathlib import Path

ROOT, BASE = Path(sys.argv[1]), Path(sys.argv[2])
runpy.run_path(str(ROOT / "tools" / "checkout.py"))

import torch  # noqa: E402
from pack.rewards import REWARDS, Files  # noqa: E402
from pack.tests.rewards import test_mps  # noqa: E402
from pack.tests.rewards.families import FOLDER, LOCAL, made  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

ROOM = 3 * 2**30  # bytes beyond what is taken before
VALUES = (60000, 10**9, 10**18, 0, -1, "60000", 6e4, float("nan"), float("inf"), [])
SIZES = {
    "hidden_size", "d_model", "num_hidden_layers", "num_layers", "encoder_layers", "depths",
    "decoder_layers", "image_size", "patch_size", "num_queries", "intermediate_size", "embed_dim",
    "num_attention_heads", "num_channels", "depth", "num_query_tokens", "out_hidden_size",
}  # fmt: skip
MORE = {"num_labels": 10**9, "num_feature_levels": 10**9, "max_text_len": 10**9}  # loops, lists


def limit_memory():
    try:
        import resource
    except ImportError:  # Windows
        return
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if sys.platform == "linux" else 0
    if pages:
        most = pages * resource.getpagesize() + ROOM
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def places(config, before=()):
    for name, value in config.items():
        if isinstance(value, dict):
            yield from places(value, (*before, name))
        elif name in SIZES:
            yield (*before, name)


def put(config, place, value):
    config = copy.deepcopy(config)
    inner = config
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    return config


def attempt(reward, files):
    try:
        reward.load(files)
    except ValueError as error:
        return str(error)
    except BaseException as error:
        return f"{type(error).__name__}: {error}"
    return "loaded"


def configurations(reward, files):
    file = Path(reward.checkpoint) / "config.json"
    text = file.read_text("utf-8")
    config = json.loads(text)
    changes = [(place, value) for place in places(config) for value in VALUES]
    changes += [((name,), value) for name, value in MORE.items()]
    told = {}
    for place, value in changes:
        file.write_text(json.dumps(put(config, place, value)), "utf-8")
        told[f"{'.'.join(place)} {value!r}"] = attempt(reward, files)
    file.write_text(text, "utf-8")
    return told | {"as it was": attempt(reward, files)}


def wide(folder):
    """MPS whose few numbers ask for matrices of 200,000 by 400,000."""
    test_mps.build(folder)
    (file,) = folder.glob("*.safetensors")
    state = load_file(file)
    for key in [key for key in state if key.endswith(("to_q.weight", "ff.2.weight"))]:
        state[key] = torch.zeros(1, 200_000)
    save_file(state, file)
    return REWARDS["mps"](checkpoint=str(file)), Files()


def many(folder):
    """A CLIP of 20,000 layers that are next to empty."""
    test_mps.build(folder)
    (file,) = folder.glob("*.safetensors")
    state = load_file(file)
    empty = {f"model.vision_model.encoder.layers.{i}.x": torch.zeros(1) for i in range(20_000)}
    save_file(state | empty, file)
    return REWARDS["mps"](checkpoint=str(file)), Files()


def main():
    originals = {}
    for family, local in LOCAL.items():
        if local.names == FOLDER and family != "vqascore":  # is told by its tensors alone
            (BASE / family).mkdir()
            originals[family] = made(family, BASE / family)
            originals[family][0].load(originals[family][1])  # imports what is needed
    limit_memory()
    told = {family: configurations(*original) for family, original in originals.items()}
    for build in (wide, many):
        (BASE / build.__name__).mkdir()
        told[build.__name__] = {"file": attempt(*build(BASE / build.__name__))}
    sys.stdout.write(f"\n{json.dumps(told)}\n")


main()
