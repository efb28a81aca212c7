"""What tests of several files share."""

import pytest


@pytest.fixture(scope="session")
def vlm_folders(tmp_path_factory):
    """Builds the tiny vision-language model of each kind once."""
    from .tiny_vlm import build

    made = {}

    def folder(kind):
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp(kind)
            build(made[kind], kind)
        return made[kind]

    return folder
