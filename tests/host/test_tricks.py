"""What people do to make a model faster or smaller keeps working, or is refused in one sentence.

The third section of benchmarks/models.md is the table of what these tests saw.
"""

import pytest
from pack.demo.client import ComfyError

from .graphs import node, search, with_input
from .page import check_section, table
from .runs import Runs, assert_counted
from .wiring import IMAGE, STEPS

BUDGET = 8
EASY = {"reuse_threshold": 0.2, "start_percent": 0.15, "end_percent": 0.95, "verbose": False}
CACHES = (
    "TeaCache", "TeaCache, by its wrapper", "TeaCache behind another wrapper",
    "First Block Cache", "CacheDiT", "cached blocks as an object patch",
    "nunchaku's cache_threshold",
)  # fmt: skip
# Too slow for a test, or not to be had here.
UNTRIED = {
    "torch.compile (TorchCompileModel, inductor, demo)": "works, run once by hand on a CPU: the "
    "rewards of a search are those without it, to the last bit",
    "dynamic VRAM (comfy-aimdo)": "needs a CUDA device: on a CPU ComfyUI takes its plain patcher",
    "GGUF": "its loader is another pack; its layers are cast at each call, as fp8's are",
}


@pytest.fixture(scope="module")
def seen():
    """The rows of the table."""
    return {}


@pytest.mark.parametrize("key", [IMAGE, "Wan 2.1 T2V"])
def test_a_backend_that_takes_one_row_a_call(host, seen, key):
    """The search is that of micro_batch 1, and the refused call is not spent."""
    runs = Runs(key)
    wide = {"budget": BUDGET, "init_particles": 3, "finish_steps": 1, "reward": runs.bright}
    own = runs.model
    runs.model = runs.node("ProbeOneRow", model=own, refuses=True)
    refused = runs.run("refused", **wide)
    runs.model = runs.node("ProbeOneRow", model=own, refuses=False)
    runs.compare("same", refused, runs.run("one by one", micro_batch=1, **wide))
    shown = runs.show(host)
    assert shown["same"]["differ"] == 0.0
    own, other = (shown[name]["report"] for name in ("refused", "one by one"))
    assert own["trace"] == other["trace"] and own["spent"]["nfe"] == BUDGET
    assert own["spent"]["network_calls"] == BUDGET
    if key == IMAGE:
        what = "backend that takes one row a call (nunchaku)"
        seen[what] = [what, key, "works, one candidate at a time"]


def test_a_backend_that_fails_all_the_same_says_so(host):
    graph = search()
    graph["one row"] = node("ProbeOneRow", model=["count", 0], refuses=True)
    graph = with_input(graph, "guider", "model", ["one row", 0])
    graph = with_input(graph, "guider", "cfg", 2.0)  # the host asks for two rows at least
    with pytest.raises(ComfyError, match="Batch size > 1 currently not supported"):
        host.run(graph)


@pytest.mark.parametrize("dtype", ["fp8_e4m3fn", "fp8_e5m2"])
def test_weights_of_eight_bits(host, seen, dtype):
    runs = Runs(IMAGE)
    full = runs.run("full")
    runs.model = runs.node("UNETLoader", unet_name=f"{IMAGE}.safetensors", weight_dtype=dtype)
    plain, one = runs.run("plain"), runs.run("one", budget=STEPS)
    runs.compare("as plain", plain, one)
    runs.compare("acts", full, plain)
    wide = {"init_particles": 2, "finish_steps": 1, "reward": runs.bright}
    runs.compare("finite", runs.run("search", budget=BUDGET, **wide), plain)
    shown = runs.show(host)
    assert shown["as plain"]["differ"] == 0.0 < shown["acts"]["differ"]
    assert shown["finite"]["a"]["finite"]
    assert_counted(shown["search"], BUDGET)
    seen[dtype] = [f"weights in {dtype}", IMAGE, "works"]


def refused(host, runs):
    """The sentence that a search of the model is refused with."""
    runs.run("one", budget=STEPS)
    with pytest.raises(ComfyError) as caught:
        runs.show(host)
    text = str(caught.value)
    assert "A step cache (" in text and "wanted" in text and "\n" not in text
    return f"refused: {text}"


@pytest.mark.parametrize("name", ["EasyCache", "LazyCache"])
def test_the_hosts_step_caches(host, seen, name):
    runs = Runs(IMAGE)
    runs.model = runs.node(name, model=runs.model, **EASY)
    seen[name] = [name, IMAGE, refused(host, runs)]


@pytest.mark.parametrize("kind", CACHES)
def test_step_caches_of_other_packs(host, seen, kind):
    runs = Runs("FLUX.1 Fill")  # built anew: one of the caches marks the network itself
    runs.model = runs.node("ProbeCache", model=runs.model, kind=kind)
    seen[kind] = [f"{kind} (imitated)", IMAGE, refused(host, runs)]


@pytest.mark.parametrize(
    "what, kept", [("low VRAM", (0.0, 1.0)), ("no VRAM", (-1.0, 0.1))], ids=["low", "no"]
)
def test_little_memory(swapping, seen, what, kept):
    """Weights that stay off the device are brought there call by call: the same bits."""
    found = swapping[what]
    assert kept[0] < found["held"][0] < kept[1]
    assert found["rewards"] == swapping["little"]["rewards"]
    flag = f"--{what.replace(' ', '').lower()}"
    seen[flag] = [f"`{flag}` (device simulated)", "demo", "works, the same candidates"]


def test_work_units_on_two_devices(swapping, seen):
    one, two = swapping["one device"], swapping["two devices"]
    if two is None:
        pytest.skip("this ComfyUI has no work units")
    assert (len(one["held"]), len(two["held"])) == (1, 2)
    assert two["spent"]["network_calls"] == 2 * one["spent"]["network_calls"]
    assert two["spent"]["nfe"] == one["spent"]["nfe"] == 40
    assert two["rewards"] == pytest.approx(one["rewards"], abs=1e-3)
    what = "MultiGPU CFG Split (devices simulated)"
    seen[what] = [what, "demo", "works, the same candidates"]


def test_the_table_is_what_was_seen(seen):
    wanted = 1 + 2 + 2 + len(CACHES) + 2 + 1
    if len(seen) < wanted:
        pytest.skip(f"{wanted - len(seen)} of its rows were not run")
    rows = table(["trick", "model", "search"], seen.values())
    untried = "\n".join(f"- {name}: {why}." for name, why in UNTRIED.items())
    check_section("models.md", "## Tricks", "\n\n".join([rows, "Not in the test run:", untried]))
