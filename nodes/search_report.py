"""Search Report: draws what a search tried, and writes it as a table."""

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

# Errors of the system about a file's name. Its other errors are about the disk.
NAME_ERRORS = (
    errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ, errno.ENOENT, errno.ENOTDIR, errno.EISDIR,
    errno.EEXIST,
)  # fmt: skip
COLUMNS = ("image", *ROW)
FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # first characters of a formula
CHARTS = 64  # at once; each takes 14 MB


def table(reports: list[dict[str, Any]]) -> str:
    """Every scored particle as CSV. Entries that only some searches have are the last columns."""
    rows = [{"image": i} | row for i, report in enumerate(reports) for row in report["trace"]]
    more = dict.fromkeys(key for row in rows for key in row if key not in COLUMNS)
    sheet = text_io.StringIO()
    writer = csv.DictWriter(sheet, [*COLUMNS, *more], restval="", lineterminator="\n")
    writer.writerow({key: _text(key) for key in writer.fieldnames})
    writer.writerows({key: _text(value) for key, value in row.items()} for row in rows)
    return sheet.getvalue()


def _text(value: Any) -> Any:
    """`value`, with a ' before a text that a spreadsheet would take for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULAS) else value


def save(text: str, prefix: str) -> None:
    """Write a CSV into the output folder under the next free number.

    A full or read-only disk only adds a line to the log.

    Raises:
        ValueError: no file can have this name.
    """
    try:
        (stem,) = stems(prefix)
        write(f"{stem}.csv", text.encode())
    except Exception as error:  # the host's error for a path outside the folder has no type
        if isinstance(error, OSError) and error.errno not in NAME_ERRORS:
            with guard("save the table of the search"):
                raise
            return
        reason = str(error).splitlines()[0].strip("* ")
        raise ValueError(
            f"csv_prefix is not a valid name: got {brief(prefix)}, expected a name inside the "
            f"output folder ({reason[:100]})."
        ) from error


def charts(reports: list[dict[str, Any]], images: Tensor | None = None) -> Tensor:
    """One chart per search, (N,H,W,3) in [0,1]. Shorter charts are filled up with white."""
    if len(reports) > CHARTS:
        raise ValueError(
            f"The report has too many searches: got {len(reports)}, expected at most {CHARTS}. "
            "Connect one entry of its batch at a time."
        )
    tops = [report.get("top", [report["best"]]) for report in reports]
    best = iter(result_images(images, sum(map(len, tops))))
    sheets = [
        chart(report, list(islice(best, len(top))))
        for report, top in zip(reports, tops, strict=True)
    ]
    height = max(sheet.height for sheet in sheets)
    filled = torch.ones(len(sheets), height, sheets[0].width, 3)
    for row, sheet in zip(filled, sheets, strict=True):
        row[: sheet.height] = torch.from_numpy(np.asarray(sheet, np.float32) / 255.0)
    return filled


def result_images(images: Tensor | None, count: int) -> list[Image.Image]:
    """The images of the reports' results; for a video, its middle frame."""
    if images is None:
        return []
    check_wired(images=images)
    frames, left = divmod(len(images), count)
    if left or not frames:
        raise ValueError(
            f"The images do not belong to the report: got {len(images)}, expected {count} or a "
            "multiple. Connect the images output of the same search node."
        )
    return [pil_image(image) for image in images[frames // 2 :: frames]]


class SearchReport(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="FlowSearchReport",
            display_name="Search Report",
            category=CATEGORY,
            description="Draws what a search tried: reward against NFE, the budget per step, and "
            "the tree of particles.",
            search_aliases=["plot", "chart", "csv", "particles", "search tree"],
            is_output_node=True,
            inputs=[
                io.String.Input(
                    "report", force_input=True, tooltip="The report output of a search node."
                ),
                io.String.Input(
                    "csv_prefix",
                    default="flow_search/report",
                    tooltip="Name of the CSV file inside the output folder. Empty: no file.",
                ),
                io.Image.Input(
                    "images",
                    optional=True,
                    tooltip="The images output of the same search node. The chart shows them.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="chart", tooltip="One chart per search."),
                io.String.Output(display_name="csv", tooltip="All scored particles as CSV."),
            ],
        )  # fmt: skip

    @classmethod
    def execute(
        cls, report: str, csv_prefix: str, images: Tensor | None = None, **unknown: Any
    ) -> io.NodeOutput:
        reports = read(report)
        sheets, csv_text = charts(reports, images), table(reports)
        if csv_prefix:
            save(csv_text, csv_prefix)
        shown = None
        with guard("show the chart on the node"):
            shown = ui.PreviewImage(sheets, cls=cls)
        return io.NodeOutput(sheets, csv_text, ui=shown)
