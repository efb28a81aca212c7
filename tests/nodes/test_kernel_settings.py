"""The settings of all kernels are inputs of one node; each kernel reads only its own."""

from dataclasses import fields
from pathlib import Path

import pytest
from pack.samplers.diffusions import SHAPES
from pack.samplers.guidance import GUIDANCES, SCHEDULES
from pack.samplers.interpolants import INTERPOLANTS
from pack.samplers.interpolants.polynomial import Polynomial
from pack.samplers.interpolants.vp import VP
from pack.samplers.kernels import KERNELS, all_settings
from pack.samplers.kernels.eta import Eta
from pack.samplers.kernels.glass import Glass

DOCS = Path(__file__).resolve().parents[2] / "web" / "docs"
PAGES = "FlowSearchVPSDESampler.md", "FlowSearchVPSDESampler/zh.md"
VP_ENTRIES = {
    "interpolant": "vp", "interpolant.beta_min": 0.1, "interpolant.beta_max": 20.0,
}  # fmt: skip


@pytest.fixture
def read(parts):
    """read_kernel, on a copy of the inputs."""
    return lambda kernel, **inputs: parts.kernel_settings.read_kernel(kernel, dict(inputs))


def test_a_kernel_gets_its_settings_and_the_report_its_entries(read):
    polynomial = {"interpolant": "polynomial", "exponent": 3.0}
    settings, entries = read(
        "eta", interpolant=polynomial, diffusion="sin", diffusion_norm=0.5, glass_steps=7
    )
    assert settings == Eta(Polynomial(3.0), "sin", 0.5)
    assert entries == {
        "interpolant": "polynomial", "interpolant.exponent": 3.0, "diffusion": "sin",
        "diffusion_norm": 0.5, "kernel": "eta",
    }  # fmt: skip


def test_the_required_settings_are_listed_where_the_kernel_does_not_read_them(read):
    """As every report lists them: an old one replays."""
    settings, entries = read("glass", interpolant="vp", diffusion_norm=1.0, glass_steps=5)
    assert settings == Glass(5)
    common = {"diffusion": "square", "diffusion_norm": 1.0}
    assert entries == VP_ENTRIES | common | {"glass_steps": 5, "kernel": "glass"}


@pytest.mark.parametrize("kernel", KERNELS)
def test_absent_settings_are_the_defaults(read, kernel):
    settings, _ = read(kernel, interpolant={"interpolant": "vp"})
    assert settings == KERNELS[kernel]()


def test_an_exported_script_gives_fields_beside_the_choice(read):
    settings, _ = read("eta", **{"interpolant": "vp", "interpolant.beta_max": 10.0})
    assert settings.interpolant == VP(beta_max=10.0)


def test_an_unknown_kernel_is_one_sentence(read):
    with pytest.raises(ValueError) as caught:
        read("heun")
    *first, last = KERNELS
    expected = f"There is no such kernel: got 'heun', expected {', '.join(first)} or {last}."
    assert str(caught.value) == expected


def test_a_setting_of_another_kernel_is_not_looked_at(read):
    assert read("eta", interpolant="vp", glass_steps=-1)[0] == Eta()
    with pytest.raises(ValueError, match="got glass_steps -1, expected at least 1"):
        read("glass", interpolant="vp", glass_steps=-1)


def test_the_inputs_hold_every_setting_once():
    """The order of inputs is held by tests/host/test_pack.py."""
    oldest = ["interpolant", "diffusion", "diffusion_norm", "glass_steps"]  # a new one comes last
    assert list(all_settings())[:4] == oldest
    assert {f.name for cls in KERNELS.values() for f in fields(cls)} == set(all_settings())


CHOICES = {"kernel": KERNELS, "interpolant": INTERPOLANTS, "guidance": GUIDANCES}


@pytest.mark.parametrize("choice", CHOICES)
def test_the_help_describes_every_choice(choice):
    english, chinese = ((DOCS / page).read_text("utf-8") for page in PAGES)
    for name, cls in CHOICES[choice].items():
        assert f"| `{name}` | {cls.description} " in english, f"web/docs/{PAGES[0]} lacks {name}"
        assert f"| `{name}` | " in chinese, f"web/docs/{PAGES[1]} lacks {name}"


@pytest.mark.parametrize("names", [SHAPES, SCHEDULES], ids=["diffusions", "schedules"])
def test_the_help_lists(names):
    for page in PAGES:
        text = (DOCS / page).read_text("utf-8")
        assert [name for name in names if f"| `{name}` | " not in text] == []
