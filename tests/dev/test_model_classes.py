"""`python dev.py models`: which model classes of a ComfyUI docs/models.md lacks."""

import os
from pathlib import Path

import pytest
from pack.tools.model_classes import SOURCE, classes_in, classes_of, missing

LISTS = "class Flux: ...\nmodels = [\n    {},\n]\nmodels += [{}]\n"


@pytest.fixture
def comfyui(tmp_path):
    """A ComfyUI whose first list has all classes of the page; what is given follows."""
    place = tmp_path / SOURCE
    place.parent.mkdir()

    def listing(*more):
        place.write_text(LISTS.format(",\n    ".join(sorted(classes_in())), ", ".join(more)))
        return tmp_path

    return listing


def test_a_made_up_class_is_found(comfyui):
    assert missing(comfyui()) == []
    assert missing(comfyui("MadeUp2", "Flux", "Another")) == ["MadeUp2", "Another"]


def test_the_page_has_rows_and_what_was_not_tried():
    assert {"Flux", "SDXL", "LTXAV", "WAN21_T2V", "SAM3"} <= classes_in()
    assert "class" not in classes_in()


def test_a_comfyui_without_the_list_is_named(comfyui):
    folder = comfyui()
    (folder / SOURCE).write_text("models = []\nother = [Flux]\n")
    with pytest.raises(ValueError, match="got no list `models`, expected one"):
        missing(folder)


@pytest.mark.skipif("COMFYUI_PATH" not in os.environ, reason="COMFYUI_PATH is not set")
def test_the_lists_of_a_real_comfyui_are_read():
    assert {"Flux", "SDXL", "WAN21_T2V"} <= set(classes_of(Path(os.environ["COMFYUI_PATH"])))
