"""How the pack sits in the host: loads under an odd name, alters nothing, explains itself."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest
from pack.tools.demonstration import WORKFLOW
from pack.tools.probing.server import serving
from pack.tools.saved_workflow import to_api

from .helpers.standins import small

ROOT = Path(__file__).resolve().parents[2]
NODES = {
    "FlowSearchVPSDESampler": "VP-SDE Flow Sampler",
    "FlowSearchScheduler": "VP Flow Scheduler",
    "FlowSearchRewardLoader": "Reward Model Loader",
    "FlowSearchRewardCombine": "Combine Rewards",
    "FlowSearchRewardScore": "Score Images",
    "FlowSearchKSampler": "Search KSampler",
    "FlowSearchRBF": "Rollover Budget Forcing Search",
    "FlowSearchParticles": "Particle Search",
    "FlowSearchReport": "Search Report",
    "FlowSearchWorkersRay": "Search Workers (Ray)",
    "FlowSearchDemoLoader": "Demo Flow Model Loader",
}
RBF_INPUTS = [
    "noise", "guider", "sampler", "sigmas", "latent_image", "vae", "reward", "prompt", "budget",
    "init_particles", "paths", "finish_steps", "top_k", "micro_batch", "target_reward",
    "time_limit", "preview_vae", "lookahead", "window_start", "window_end", "watchdog", "replay",
    "journal",
    "stop_at_maximum", "lookahead_model", "finish_model", "compare",
    "model_low", "boundary", "workers",
]  # fmt: skip
TOOLTIP = 20  # words
FORBIDDEN = re.compile(
    r"\b(told|shown|asked|wanted|seen|given|known|candidates?|pictures?)\b", re.IGNORECASE
)


@pytest.fixture(scope="module")
def object_info(host):
    return host.client.get("/object_info")


def every_input(inputs):
    """(name, spec) of a node's inputs, those inside dynamic combos too."""
    for group in ("required", "optional"):
        for name, spec in inputs.get(group, {}).items():
            yield name, spec
            for option in spec[1].get("options", []) if len(spec) > 1 else []:
                if isinstance(option, dict):
                    yield from every_input(option["inputs"])


def test_all_nodes_are_there(object_info, host):
    got = {k: object_info[k]["display_name"] for k in object_info if k.startswith("FlowSearch")}
    assert got == NODES
    assert all(object_info[k]["category"] == "sampling/flow search" for k in NODES)
    failed = [line for line in host.log.read_text().splitlines() if "IMPORT FAILED" in line]
    assert not [line for line in failed if "custom_nodes" in line]


def test_the_contracts_inputs(object_info):
    order = object_info["FlowSearchRBF"]["input_order"]
    assert order["required"] + order["optional"] == RBF_INPUTS
    assert object_info["FlowSearchRBF"]["output"] == ["LATENT", "IMAGE", "STRING"]
    own = {"method": 1} | {k: 1 for k in RBF_INPUTS if k not in ("init_particles", "paths")}
    order = object_info["FlowSearchVPSDESampler"]["input_order"]
    assert order["required"] == ["interpolant", "diffusion", "diffusion_norm", "kernel"]
    assert order["optional"] == ["glass_steps", "guidance", "reward", "vae", "prompt"]
    order = object_info["FlowSearchParticles"]["input_order"]
    assert set(order["required"] + order["optional"]) == set(own)


@pytest.mark.parametrize("node", NODES)
def test_every_tooltip_is_there_and_short(object_info, node):
    """Also the description, which the page shows as the tooltip of the title: words.md."""
    info = object_info[node]
    entries = [(name, spec[1].get("tooltip", "")) for name, spec in every_input(info["input"])]
    assert entries and all(len(text) > 10 for _, text in entries), entries
    tips = info.get("output_tooltips") or []
    entries += [("description", info["description"]), *enumerate(filter(None, tips))]
    assert [(name, text) for name, text in entries if len(text.split()) > TOOLTIP] == []
    assert [(name, text) for name, text in entries if FORBIDDEN.search(text)] == []


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The pack as `comfy node publish` packs it: what git tracks, less .comfyignore."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: what would be packed is not known")
    git = ["git", "-C", str(ROOT), "ls-files", "-z", "-c", "-o", "--exclude-standard"]
    tracked = subprocess.run(git, capture_output=True, check=True).stdout
    left_out = [*git, "-i", f"--exclude-from={ROOT / '.comfyignore'}"]
    ignored = subprocess.run(left_out, capture_output=True, check=True).stdout
    folder = tmp_path_factory.mktemp("packed") / "flow-search"
    for name in sorted({*tracked.decode().split("\0")} - {*ignored.decode().split("\0")}):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    return folder


def test_the_archive_holds_what_users_need_and_no_more(archive):
    names = {path.name for path in archive.iterdir()}
    assert names == {
        "__init__.py", "nodes", "rewards", "samplers", "web", "locales", "demo",
        "example_workflows", "subgraphs",
        "README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml",
    }  # fmt: skip
    wanted = {"__init__", "text", "scenes", "taesd"}
    assert {path.stem for path in (archive / "demo").glob("*.py")} == wanted
    assert len(list((archive / "demo").glob("*.safetensors"))) == 4
    assert not (
        archive / "demo" / "README.md"
    ).exists()  # how they were trained, by what is not here
    assert not [path for path in archive.rglob("*") if path.suffix == ".mjs"]


def test_every_link_leads_somewhere(archive):
    """A relative one into the archive, one to the repository to what is there."""
    metadata = (ROOT / "pyproject.toml").read_text("utf-8")
    repository = re.search('^Repository = "(.*)"$', metadata, re.MULTILINE)[1] + "/blob/main/"
    docs = archive / "web" / "docs"
    texts = [archive / "README.md", archive / "CHANGELOG.md", *docs.rglob("*.md")]
    assert len(texts) == 2 + 2 * len(NODES)
    for text in texts:
        # The front-end looks for a help page's pictures in web/docs, in any language.
        base = docs if text.is_relative_to(docs) else archive
        for link in re.findall(r"\]\(([^)\s]+)", text.read_text("utf-8")):
            to = unquote(link.split("#")[0])
            if to.startswith(repository):
                assert (ROOT / to.removeprefix(repository)).exists(), link
            elif to and not to.startswith("https://"):
                assert (base / to).exists(), f"{link} in {text.name}: write {repository}…"


def test_the_host_is_left_alone(comfyui, archive):
    """No attribute of any host module or class changes when the packed pack is loaded whole, and
    no class of a reward's model is imported."""
    code = f"""
import sys, json, importlib.util, asyncio, pathlib
sys.path.insert(0, {str(comfyui)!r}); sys.argv = ["x", "--cpu"]
import comfy.options; comfy.options.enable_args_parsing()
import utils.extra_config  # before `nodes`, which hides the package `utils` in older hosts
import nodes, execution, server, latent_preview, folder_paths, comfy.samplers, comfy.sd
import comfy_api.latest, comfy_extras.nodes_custom_sampler, comfy.taesd.taesd, comfy.sd1_clip
root = {str(comfyui)!r}
def snapshot():
    seen = {{}}
    for name, module in list(sys.modules.items()):
        if not (getattr(module, "__file__", None) or "").startswith(root): continue
        for key, value in list(vars(module).items()):
            if key.startswith("__"): continue
            seen[name, key] = id(value)
            if isinstance(value, type):
                for k, v in list(vars(value).items()):
                    if callable(v): seen[name, key, k] = id(v)
    return seen
before, modules = snapshot(), set(sys.modules)
folders = set(folder_paths.folder_names_and_paths)
pack = {str(archive)!r}
spec = importlib.util.spec_from_file_location("a_x_b", pack + "/__init__.py",
                                              submodule_search_locations=[pack])
sys.modules["a_x_b"] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
extension = module.comfy_entrypoint()
asyncio.run(extension.on_load())
listed = asyncio.run(extension.get_node_list())
for node in listed: node.GET_SCHEMA()
for file in pathlib.Path(pack).rglob("*.py"):
    if file.name != "__init__.py":
        parts = file.relative_to(pack).with_suffix("").parts
        importlib.import_module(".".join(("a_x_b", *parts)))
after = snapshot()
changed = [k for k in before if k in after and after[k] != before[k]]
added = [k for k in after if k not in before and k[0] in modules]
new = set(folder_paths.folder_names_and_paths) - folders
models = [m for m in set(sys.modules) - modules if m.startswith("transformers.models")]
print(json.dumps([changed, added, sorted(new), len(listed), models]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=comfyui)
    assert done.returncode == 0, done.stderr[-2000:]
    changed, added, folders, count, models = json.loads(done.stdout.splitlines()[-1])
    assert (changed, added, folders, count, models) == ([], [], ["rewards"], len(NODES), [])


def test_the_unpacked_archive_runs_the_demo(comfyui, archive, tmp_path):
    pack = tmp_path / "custom_nodes" / "flow-search"
    shutil.copytree(archive, pack, ignore=shutil.ignore_patterns("__pycache__"))
    workflow = json.loads((pack / "example_workflows" / WORKFLOW.name).read_text("utf-8"))
    with serving(comfyui, tmp_path) as host:
        assert WORKFLOW.stem in host.client.get("/workflow_templates")["flow-search"]
        prompt = small(host, to_api(workflow, host.client.get("/object_info")))
        for each in prompt.values():
            each["inputs"] |= {side: 32 for side in ("width", "height") if side in each["inputs"]}
        outputs = host.run(prompt, workflow)
    shown = [o["flow_search_report"][0] for o in outputs.values() if "flow_search_report" in o]
    assert [json.loads(report)["spent"]["nfe"] for report in shown] == [12]
    saved = [image for o in outputs.values() for image in o.get("images", [])]
    saved = [image["filename"] for image in saved if image["type"] == "output"]
    assert saved and all([*tmp_path.glob(f"output/**/{name}")] for name in saved)
