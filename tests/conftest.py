"""Every test imports the checkout as `pack`; generated files are compared, never written."""

import difflib
import runpy
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
LONGEST = (  # files, the longest first
    "test_browser.py", "test_workers_ray.py", "test_swapping.py", "test_journal.py",
    "test_manager.py", "test_workflow.py", "test_reward_families.py", "test_families.py",
    "test_lent.py", "test_sigmas.py", "test_config_sizes.py", "test_small_memory.py",
    "test_fuzz.py", "test_packed.py", "test_nothing_lost.py", "test_pack.py", "test_models.py",
)  # fmt: skip
runpy.run_path(str(ROOT / "tools" / "checkout.py"))
# What fails there says so as in a test.
pytest.register_assert_rewrite("pack.benchmarks.host_cases", "pack.tools.probing")
# Every run tries the same examples, and no test fails because the machine is busy.
settings.register_profile(
    "pinned",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("pinned")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest: at the end, no process is left alone with a long file.

    The tests with a ComfyUI come before the others, and these before all.
    """
    longest = {name: i for i, name in enumerate(LONGEST)}

    def place(item: pytest.Item) -> tuple[int, bool]:
        return longest.get(item.path.name, len(LONGEST)), "host" not in item.path.parts

    items.sort(key=place)


@pytest.fixture
def generated(record_property):
    """Compare a text with the generated file, or with a section of it.

    The text is recorded in the result of the test, where `python dev.py write` reads it.
    """
    from pack.tools import sections, writing

    def compare(file, text, section=None):
        record_property(*writing.record(file, text, section))
        path = ROOT / file
        old = sections.section(path, section) if section else path.read_text("utf-8")
        changes = difflib.unified_diff(old.splitlines(), text.splitlines(), lineterm="")
        assert not list(changes), f"{file} differs: {writing.COMMAND}"

    return compare
