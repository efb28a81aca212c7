"""Search Report: what a search tried, as a picture and as a table."""

from __future__ import annotations

import csv
import errno
import io as text_io
from itertools import islice
from typing import Any

import numpy as np
import torch
from comfy_api.latest import io, ui
from PIL import Image
from torch import Tensor

from .host.guard import guard
from .host.image_bytes import pil_image
from .schema import CATEGORY, brief, check_wired
from .show.output import stems, write
from .show.report import read
from .show.report_chart import chart
from .show.report_format import ROW

# What the system says of a name. Whatever else it says is said of the disk.
OF_THE_NAME = (
    errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ, errno.ENOENT, errno.ENOTDIR, errno.EISDIR,
    errno.EEXIST,
)  # fmt: skip
COLUMNS = ("image", *ROW)
FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # how they begin
CHARTS = 64  # pictures at once: 14 MB each


def table(reports: list[dict[str, Any]]) -> str:
    """Every scored particle as CSV; entries that only some searches have come last."""
    rows = [{"image": i} | row for i, each in enumerate(reports) for row in each["trace"]]
    more = dict.fromkeys(key for row in rows for key in row if key not in COLUMNS)
    sheet = text_io.StringIO()
    writer = csv.DictWriter(sheet, [*COLUMNS, *more], restval="", lineterminator="\n")
    writer.writerow({key: _text(key) for key in writer.fieldnames})
    writer.writerows({key: _text(value) for key, value in row.items()} for row in rows)
    return sheet.getvalue()


def _text(value: Any) -> Any:
    """`value`, with a ' before a text that a spreadsheet would run as a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULAS) else value


def save(text: str, prefix: str) -> None:
    """Write a CSV into the output folder under the next free number.

    A name that no folder would take is refused. A full or read-only disk is a line in the log.
    """
    try:
        (stem,) = stems(prefix)
        write(f"{stem}.csv", text.encode())
    except Exception as error:  # the host's own for a name outside the folder is bare, and long
        if isinstance(error, OSError) and error.errno not in OF_THE_NAME:
            with guard("save the table of the search"):
                raise
            return
        reason = str(error).splitlines()[0].strip("* ")
        raise ValueError(
            f"csv_prefix {brief(prefix)} given, wanted a name that the output folder takes a file "
            f"under ({reason[:100]})."
        ) from error


def pictures(reports: list[dict[str, Any]], images: Tensor | None = None) -> Tensor:
    """(N,H,W,3) in [0,1]; the sheets of searches that say less are filled up with white."""
    if len(reports) > CHARTS:
        raise ValueError(
            f"Search Report draws at most {CHARTS} searches: got {len(reports)}. Give it one entry "
            "of the report's batch at a time."
        )
    tops = [report.get("top", [report["best"]]) for report in reports]
    best = iter(returned(images, sum(map(len, tops))))
    sheets = [
        chart(report, list(islice(best, len(top))))
        for report, top in zip(reports, tops, strict=True)
    ]
    height = max(sheet.height for sheet in sheets)
    filled = torch.ones(len(sheets), height, sheets[0].width, 3)
    for row, sheet in zip(filled, sheets, strict=True):
        row[: sheet.height] = torch.from_numpy(np.asarray(sheet, np.float32) / 255.0)
    return filled


def returned(images: Tensor | None, count: int) -> list[Image.Image]:
    """The pictures that the reports tell of; of a clip its middle frame."""
    if images is None:
        return []
    check_wired(images=images)
    frames, left = divmod(len(images), count)
    if left or not frames:
        raise ValueError(
            f"The images are not those of the report: got {len(images)}, expected {count} or a "
            "multiple of it. Connect the images output of the same search node."
        )
    return [pil_image(image) for image in images[frames // 2 :: frames]]


class SearchReport(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FlowSearchReport",
            display_name="Search Report",
            category=CATEGORY,
            description="Draws what a search tried: reward against NFE, where the budget went, the "
            "tree of particles. Saves the table as CSV, too.",
            search_aliases=["plot", "chart", "csv", "particles", "search tree"],
            is_output_node=True,
            inputs=[
                io.String.Input(
                    "report", force_input=True, tooltip="The report of a search node: its third "
                    "output."
                ),
                io.String.Input(
                    "csv_prefix",
                    default="flow_search/report",
                    tooltip="Where the table goes, inside the output folder. Empty: no file.",
                ),
                io.Image.Input(
                    "images",
                    optional=True,
                    tooltip="The images output of the same search node: they are shown on the "
                    "chart.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="chart", tooltip="One picture for each search."),
                io.String.Output(display_name="csv", tooltip="Every scored particle as CSV."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, report: str, csv_prefix: str, images: Tensor | None = None, **unknown: Any
    ) -> io.NodeOutput:
        reports = read(report)
        charts, sheet = pictures(reports, images), table(reports)
        if csv_prefix:
            save(sheet, csv_prefix)
        shown = None
        with guard("show the chart on the node"):
            shown = ui.PreviewImage(charts, cls=cls)
        return io.NodeOutput(charts, sheet, ui=shown)
