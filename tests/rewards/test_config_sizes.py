"""Field 33: what a configuration asks for is held against its weights before anything is built.

hostile.py tries it in a process of its own, with little memory: one that builds first does not end.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from pack.rewards import REWARDS, Files
from pack.rewards.files.config_sizes import check_config
from pack.rewards.files.weights import Peek
from safetensors.torch import load_file, save_file

from .families import FOLDER, LOCAL
from .test_clip import build as build_clip
from .weights_files import SOURCE, refusal

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = [f for f, local in LOCAL.items() if local.names == FOLDER and f != "vqascore"]


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    command = [sys.executable, Path(__file__).with_name("hostile.py"), ROOT]
    command = [*map(str, command), str(tmp_path_factory.mktemp("hostile"))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("family", FOLDERS)
def test_a_configuration_that_asks_for_too_much(told, family):
    said = dict(told[family])
    assert said.pop("as it was") == "loaded"
    assert len(said) > 60
    for case, text in said.items():
        assert ": expected " in text and ". Get it at https://" in text, (case, text)
        assert "\n" not in text, (case, text)


@pytest.mark.parametrize("family", FOLDERS)
def test_the_sentence_names_the_size(told, family):
    layers = [text for case, text in told[family].items() if "layers 1000000000" in case]
    layers += [text for case, text in told[family].items() if "depth 1000000000" in case]
    most = "more than the 64 layers that its weights allow"
    assert layers and all(most in text for text in layers)
    wide = [text for case, text in told[family].items() if case.endswith(".hidden_size 60000")]
    assert all("60000, a size that none of its weights has" in text for text in wide)
    assert all("not a whole number above 0" in text
               for case, text in told[family].items() if case.endswith("_layers -1"))  # fmt: skip


def test_a_file_that_asks_for_too_much(told):
    """By its shapes alone."""
    assert "describes a model of " in told["wide"]["file"]
    assert "numbers 20,000 layers, more than 512" in told["many"]["file"]


def clip(path, **parts):
    build_clip(path)
    file = path / "config.json"
    config = json.loads(file.read_text("utf-8"))
    for part, changes in parts.items():
        config[part] |= changes
    file.write_text(json.dumps(config), "utf-8")
    return REWARDS["clip_score"](checkpoint=str(path))


def test_a_model_larger_than_its_weights(tmp_path):
    """Each of its sizes is one that some tensor may have."""
    told = refusal(clip(tmp_path, vision_config={"hidden_size": 4096}).load, Files())
    assert "describes a model of " in told and "numbers, but its weights hold " in told


def test_layers_that_are_left_out(tmp_path):
    """What is left of the model would score all the same, but not as it was trained."""
    told = refusal(clip(tmp_path, vision_config={"num_hidden_layers": 2}).load, Files())
    left_out = "leaves out 16 tensors, such as vision_model.encoder.layers.2"
    assert f"has a config.json that {left_out}" in told


def test_pickles_are_looked_at_too(tmp_path):
    reward = clip(tmp_path, text_config={"hidden_size": 60000})
    file = tmp_path / "model.safetensors"
    torch.save(load_file(file), tmp_path / "pytorch_model.bin")
    file.unlink()
    assert "text_config.hidden_size 60000, a size that none" in refusal(reward.load, Files())


def test_an_entry_of_a_header_that_is_longer_than_its_numbers(tmp_path):
    """Else its shape would allow for what is not there."""
    reward = clip(tmp_path, vision_config={"hidden_size": 60000})
    file = tmp_path / "model.safetensors"
    data = file.read_bytes()
    length = int.from_bytes(data[:8], "little")
    head = json.loads(data[8 : 8 + length])
    head["logit_scale"]["shape"] = [60000, 60000]
    text = json.dumps(head).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])
    assert "its header is not valid" in refusal(reward.load, Files())


@pytest.mark.parametrize(
    "entry",
    [
        {"rope_theta": 1e6, "image_token_id": 151_655, "max_position_embeddings": 262_144},
        {"max_window_layers": 70, "sliding_window": 32_768, "seq_length": 32_768},
        {"text_config": {"vocab_size": 257_152, "eos_token_id": [151_645], "dropout": None}},
        {"image_grid_pinpoints": [[384, 768], [2304, 384]], "hidden_size": 3584},
        {"id2label": {"0": "LABEL_0"}, "num_labels": 2, "problem_type": None, "depths": [2, 2, 18]},
    ],
)
def test_what_published_folders_say_passes(entry, tmp_path):
    seen = Peek(tmp_path, {"model_type": "any"}, {"layers.0.weight": (3584, 18_944)})
    check_config(tmp_path, entry, SOURCE, seen)


def test_a_size_of_the_weights_passes(tmp_path):
    seen = Peek(tmp_path, {}, {"layers.0.weight": (3584, 18_944)})
    check_config(tmp_path, {"intermediate_size": 18_944}, SOURCE, seen)
    told = refusal(check_config, tmp_path, {"intermediate_size": 18_945}, SOURCE, seen)
    assert "asks for intermediate_size 18945, a size that none of its weights has" in told


def test_a_whole_file_is_not_counted_twice(tmp_path):
    """One part of two may be kept once: tied embeddings."""
    build_clip(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    save_file(state, tmp_path / "model.safetensors", {"format": "pt"})
    assert REWARDS["clip_score"](checkpoint=str(tmp_path)).load(Files())


@pytest.mark.parametrize("kind", ["qwen2_5_vl", "smolvlm", "llava", "paligemma"])
def test_a_processor_that_asks_for_any_size(kind, vlm_folders, tmp_path):
    copy = shutil.copytree(vlm_folders(kind), tmp_path / kind)
    (file,) = [copy / n for n in ("preprocessor_config.json", "processor_config.json")
               if (copy / n).is_file()][-1:]  # fmt: skip
    config = json.loads(file.read_text("utf-8"))
    inner = config.get("image_processor", config)
    assert REWARDS["vqascore_vlm"](checkpoint=str(copy)).load(Files())
    for size in ({"shortest_edge": 10**9, "longest_edge": 10**9}, {"height": 10**9, "width": 0}):
        inner["size"] = size
        file.write_text(json.dumps(config), "utf-8")
        told = refusal(REWARDS["vqascore_vlm"](checkpoint=str(copy)).load, Files())
        assert " 1000000000, not a whole number from 1 to " in told
