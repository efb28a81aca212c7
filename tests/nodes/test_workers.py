"""What is sent to workers, and what they run."""

import importlib.metadata
import importlib.util
import json
import re
from pathlib import Path

import pytest
import torch
from pack.samplers.crew.job import Answer, Job
from pack.samplers.purse import Purse
from pack.samplers.types import Particles

ROOT = Path(__file__).resolve().parents[2]
GRAPH = {
    "loader": {"class_type": "Loader", "inputs": {"name": "a.safetensors"}},
    "lora": {"class_type": "Lora", "inputs": {"model": ["loader", 0], "strength": 1.0}},
    "guider": {"class_type": "Guider", "inputs": {"model": ["lora", 0]}},
    "noise": {"class_type": "RandomNoise", "inputs": {"noise_seed": 7}},
    "workers": {"class_type": "FlowSearchWorkersRay", "inputs": {}},
    "search": {
        "class_type": "FlowSearchRBF",
        "inputs": {
            "guider": ["guider", 0], "vae": ["loader", 2], "noise": ["noise", 0], "budget": 9,
            "workers": ["workers", 0],
        },
    },
    "save": {"class_type": "SaveImage", "inputs": {"images": ["search", 1]}},
}  # fmt: skip


def test_a_worker_runs_what_is_above_the_search(parts):
    part = parts.graph_cut.cut("search", GRAPH.get)
    assert set(part) == {"loader", "lora", "guider", "serve"}
    assert part["serve"] == {
        "class_type": parts.graph_cut.SERVE,
        "inputs": {"guider": ["guider", 0], "vae": ["loader", 2]},
    }


def test_a_job_and_its_answer_stay_the_same_on_the_wire(parts):
    rows = [torch.rand(2, 3) for _ in range(3)] + [torch.tensor([0.5, float("nan")]).double()]
    parents = Particles(*rows, *(torch.tensor([4, 5]) for _ in range(4)))
    job = Job("propose", (8, 9), (4, 5), 2, 2, parents, boxes=[(0, 2), ()])
    back = parts.packing.unpack_job(parts.packing.pack_job(job))
    assert back.key == job.key and torch.equal(back.parents.x, parents.x)
    answer = Answer(*rows, Purse().spent(), [(2, 0), (2, 1)], {9: "decode"})
    packed = parts.packing.pack_answer(answer) | {"images": ({0: torch.ones(2).numpy()}, {})}
    back = parts.packing.unpack_answer(packed)
    assert torch.equal(back.x0, answer.x0) and back.reward.dtype == torch.float64
    assert back.failed == {9: "decode"} and back.spent == answer.spent
    assert torch.equal(back.images[0][0], torch.ones(2))


@pytest.mark.parametrize("same", [True, False])
def test_clean_latents_that_are_x0_are_sent_once(parts, same):
    """Compared by their bits: 0 is not -0."""
    x0 = torch.tensor([[0.0, float("nan"), 1.0]])
    clean = x0.clone() if same else torch.tensor([[-0.0, float("nan"), 1.0]])
    columns = torch.rand(1, 3), x0, clean, torch.zeros(1).double()
    answer = Answer(*columns, Purse().spent(), [(1, 0)])
    parents = Particles(*columns, *(torch.tensor([4]) for _ in range(4)))
    job = Job("propose", (8,), (4,), 2, 1, parents)
    packed = parts.packing.pack_answer(answer) | {"images": ({}, {})}
    sent = parts.packing.pack_job(job)
    assert [each["clean"] is None for each in (packed, sent["parents"])] == [same, same]
    back = parts.packing.unpack_answer(packed), parts.packing.unpack_job(sent).parents
    for rows in back:
        assert rows.clean.numpy().tobytes() == clean.numpy().tobytes()


@pytest.mark.parametrize(
    "arguments, flags",
    [
        (["--cpu", "--port", "8188", "--fast"], ["--cpu", "--fast"]),
        (["--listen", "--deterministic", "--base-directory", "nowhere"],
         ["--deterministic", "--base-directory", "nowhere"]),
        (["--listen=0.0.0.0", "--lowvram"], ["--lowvram"]),
    ],
)  # fmt: skip
def test_flags_that_change_numbers_are_passed_on(parts, arguments, flags):
    assert parts.crew.worker_flags(arguments) == flags


def test_without_ray_one_sentence_names_what_to_install(parts, monkeypatch):
    check, found = parts.ray_start.check_installed, []

    def version(name):
        if not found:
            raise importlib.metadata.PackageNotFoundError(name)
        return found[-1]

    monkeypatch.setattr("importlib.metadata.version", version)
    with pytest.raises(ValueError, match=r"ray: got none, expected 2\.60 .* -m pip install"):
        check()
    found.append("2.52.1")
    with pytest.raises(ValueError, match=r"ray: got 2\.52\.1, expected 2\.60"):
        check()
    for version in ("2.60.0", "2.61.0rc1", "3.0"):
        found.append(version)
        check()


def test_nothing_imports_ray_by_its_name():
    """A file that did so would load it with the pack, or fail where it is not installed."""
    files = [
        path for top in ("nodes", "samplers", "rewards") for path in (ROOT / top).rglob("*.py")
    ]
    lines = [line for path in files for line in path.read_text("utf-8").splitlines()]
    assert not [line for line in lines if re.match(r"\s*(import|from) ray\b", line)]


def test_a_worker_of_another_version_says_so(parts):
    boot = object.__new__(parts.boot.Boot)
    boot.versions = {"ComfyUI": "0.30.0", "Flow Search": "abc"}
    sent = {"versions": {"ComfyUI": "0.30.0", "Flow Search": "def"}}
    expected = "It has another version of Flow Search: got abc, expected def."
    assert boot._prepare(1, {}, sent) == expected


def test_the_error_of_a_graph_names_what_is_missing(parts):
    """As ComfyUI's `validate_prompt` returns it."""
    missing = {"details": "unet_name: 'a.safetensors' not in []"}
    of_nodes = {"3": {"class_type": "UNETLoader", "errors": [missing]}}
    error = {"message": "Prompt outputs failed validation", "details": ""}
    said = parts.boot.refusal((False, error, [], of_nodes))
    assert said == f"Prompt outputs failed validation UNETLoader: {missing['details']}"


def test_a_gpu_that_this_comfyui_uses_is_no_workers(parts, monkeypatch):
    gpus, settings = parts.gpus, parts.settings.WorkerSettings
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6")
    monkeypatch.setattr(gpus.mm, "get_torch_device", lambda: torch.device("cuda", 1))
    monkeypatch.setattr(gpus.torch.cuda, "is_available", lambda: True)
    assert gpus.free_gpus(settings()) == ["4", "6"]
    assert gpus.free_gpus(settings(own_gpu=False)) == ["4", "5", "6"]
    assert gpus.count_here(settings()) == 2
    assert gpus.count_here(settings(gpu_share=0.5)) == 4
    assert gpus.count_here(settings(workers=1)) == 1
    assert gpus.count_here(settings(workers=9)) == 2
    assert gpus.count_here(settings(workers=3, gpu_share=0.0)) == 3
    monkeypatch.setattr(gpus.torch.cuda, "is_available", lambda: False)
    assert gpus.count_here(settings()) == 0


def test_the_example_of_a_cluster_is_one_that_ray_accepts():
    """By the schema that `ray up` checks a file with."""
    found = importlib.util.find_spec("ray")
    if found is None:
        pytest.skip("Ray is not installed: pip install ray")
    jsonschema, yaml = pytest.importorskip("jsonschema"), pytest.importorskip("yaml")
    schema = Path(found.origin).parent / "autoscaler" / "ray-schema.json"
    example = yaml.safe_load((ROOT / "docs" / "ray_cluster.yaml").read_text("utf-8"))
    jsonschema.validate(example, json.loads(schema.read_text("utf-8")))
    starts = example["head_start_ray_commands"][1:] + example["worker_start_ray_commands"][1:]
    assert all("RAY_AUTH_MODE=token ray start" in command for command in starts)
