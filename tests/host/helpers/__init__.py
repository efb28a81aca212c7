"""What the tests of a real ComfyUI import."""

from pathlib import Path

PROBE = Path(__file__).resolve().parents[1] / "probe"  # the node pack of these tests
