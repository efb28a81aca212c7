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


@pytest.fixture(scope="session")
def clip_flant5(tmp_path_factory):
    """The folder of a tiny CLIP-FlanT5."""
    from .tiny_t5 import build

    path = tmp_path_factory.mktemp("clip-flant5")
    build(path)
    return path
