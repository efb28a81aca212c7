"""The LAION aesthetic predictor against transformers and five layers written out."""

import pytest
import torch
from pack.rewards import REWARDS, Files
from pack.rewards.files.weights import peek
from pack.rewards.likeness.clip_config import infer_config

from .test_clip import processed
from .tiny_clip import PROMPTS, fill, open_clip_state, pictures, renamed, save, shown

transformers = pytest.importorskip("transformers")

SIZES = (768, 1024, 128, 64, 16, 1)
LAYERS = (0, 2, 4, 6, 7)


def head_state():
    shapes = {}
    for i, before, after in zip(LAYERS, SIZES[:-1], SIZES[1:], strict=True):
        shapes |= {f"layers.{i}.weight": (after, before), f"layers.{i}.bias": (after,)}
    state = fill(shapes, 5)
    # No longer and no shorter by a layer, so that float32 tells pictures apart.
    wide = {key: 4.0 / value.shape[-1] ** 0.5 for key, value in state.items() if value.ndim > 1}
    return {key: wide.get(key, 1.0) * value for key, value in state.items()}


def vision(state):
    return {key: value for key, value in state.items() if key.startswith(("vision_", "visual_"))}


def build(path):
    """Write one file with tower and head into the folder ``path`` -> its path."""
    tower = {f"clip.{k}": v for k, v in vision(renamed(open_clip_state(768))).items()}
    head = {f"mlp.{k}": v for k, v in head_state().items()}
    return save(tower | head, path / "laion-aesthetic.safetensors")


def build_parts(path, layout):
    """Write tower and head -> their paths."""
    head = save(head_state(), path / "head" / "sac+logos+ava1-l14-linearMSE.pth")
    state = open_clip_state(768)
    if layout == "open_clip":
        return save(state, path / "tower.safetensors"), head
    state = renamed(state)
    file = save(vision(state) if layout == "tower" else state, path / "model.safetensors")
    if layout in ("file", "tower"):
        return file, head
    config = transformers.CLIPConfig(**infer_config(state))
    if layout == "clip_vision_model":
        config.vision_config.projection_dim = 768
        config = config.vision_config
    else:
        # As in LAION's own folders.
        assert config.vision_config.projection_dim == 512
    config.save_pretrained(path)
    return path, head


@pytest.fixture(scope="module")
def wanted():
    state = vision(renamed(open_clip_state(768)))
    config = infer_config(state)
    config = transformers.CLIPVisionConfig(**config["vision_config"], projection_dim=768)
    tower = transformers.CLIPVisionModelWithProjection(config).eval()
    # The name of the tower's tensors has changed between releases.
    own = tower.state_dict()
    tower.load_state_dict({k: state.get(k, state.get(f"vision_model.{k}")) for k in own})
    mlp = torch.nn.Sequential(
        torch.nn.Linear(768, 1024), torch.nn.Dropout(0.2), torch.nn.Linear(1024, 128),
        torch.nn.Dropout(0.2), torch.nn.Linear(128, 64), torch.nn.Dropout(0.1),
        torch.nn.Linear(64, 16), torch.nn.Linear(16, 1),
    ).double().eval()  # fmt: skip
    mlp.load_state_dict({k.removeprefix("layers."): v for k, v in head_state().items()})
    with torch.no_grad():
        found = tower(pixel_values=processed(pictures(40, 32))).image_embeds
        return mlp((found / found.norm(dim=-1, keepdim=True)).double())[:, 0].float()


def load(path, head=""):
    return REWARDS["laion_aesthetic"](checkpoint=str(path), head=str(head)).load(Files())


@pytest.mark.parametrize("layout", ["open_clip", "file", "tower", "folder", "clip_vision_model"])
def test_tower_and_head(tmp_path, wanted, layout):
    path, head = build_parts(tmp_path, layout)
    fields = REWARDS["laion_aesthetic"].__dataclass_fields__
    assert fields["checkpoint"].metadata["checkpoint"](peek(path))
    assert fields["head"].metadata["checkpoint"](peek(head))
    assert fields["head"].metadata["optional"]
    scores = load(path, head).score(shown(pictures(40, 32)), PROMPTS)
    torch.testing.assert_close(scores, wanted, rtol=0, atol=3e-6)
    assert wanted.std() > 0.1 * wanted.abs().max()


def test_one_file(tmp_path, wanted):
    path = build(tmp_path)
    fits = {
        name: REWARDS[name].__dataclass_fields__["checkpoint"].metadata["checkpoint"](peek(path))
        for name in ("laion_aesthetic", "clip_score", "hps_v2", "mps")
    }
    assert [name for name, fit in fits.items() if fit] == ["laion_aesthetic"]
    scorer = load(path)
    scores = scorer.score(shown(pictures(40, 32)), PROMPTS)
    torch.testing.assert_close(scores, wanted, rtol=0, atol=3e-6)
    # In a folder beside a config.json that tells nothing, as some publish it.
    (tmp_path / "config.json").write_text("{}")
    torch.testing.assert_close(
        load(tmp_path).score(shown(pictures(40, 32)), PROMPTS), scores, rtol=0, atol=0
    )


def test_needs_no_prompt(tmp_path):
    scorer = load(build(tmp_path))
    scorer.check("")
    images = shown(pictures(40, 32))
    assert torch.equal(scorer.score(images, [""] * 3), scorer.score(images, PROMPTS))


def test_only_the_tower_is_kept(tmp_path):
    path, head = build_parts(tmp_path, "file")
    names = [name for name, _ in load(path, head).module.named_parameters()]
    assert not [name for name in names if "text" in name or "logit" in name]
    assert len([name for name in names if name.startswith("head.")]) == 2 * len(LAYERS)


def test_wrong_files(tmp_path):
    path, head = build_parts(tmp_path, "file")
    with pytest.raises(ValueError, match="no head, and `head` is empty: expected the head"):
        load(path)
    with pytest.raises(ValueError, match="CLIP in Hugging Face layout: expected the head"):
        load(path, path)
    with pytest.raises(ValueError, match="LAION aesthetic predictor: expected CLIP ViT-L/14"):
        load(head, head)
    other = save(open_clip_state(48), tmp_path / "48.safetensors")
    with pytest.raises(ValueError, match="embeddings of 48 channels: expected CLIP ViT-L/14"):
        load(other, head)
    state = head_state() | {"layers.0.weight": torch.zeros(1024, 512)}
    other = save(state, tmp_path / "512.safetensors")
    with pytest.raises(
        ValueError, match="reads 512 channels, but the image tower gives 768: expected the head"
    ):
        load(path, other)
