"""A saved picture brings its search along, with small pictures of the results (Field 22)."""

import base64
import io
import json

import numpy as np
import pytest
from pack.tools.probing.graphs import SIZE, node, search, with_input
from PIL import Image


@pytest.mark.parametrize(("batch", "top_k"), [(1, 1), (2, 2)])
def test_field_22_a_saved_picture_carries_the_picture_of_each_result(host, batch, top_k):
    graph = search(name=f"carried {batch}", seed=81, top_k=top_k)
    graph = with_input(graph, "latent", "batch_size", batch)
    graph["save"] = node("SaveImage", images=["search", 1], filename_prefix="carried")
    outputs = host.run(graph, {"id": "mine", "nodes": [{"id": "search"}, {"id": "save"}]})
    files = [host.base / "output" / image["filename"] for image in outputs["save"]["images"]]
    (shown, other) = json.loads(Image.open(files[0]).text["workflow"])["nodes"]
    assert "flow_search" not in other
    saved = shown["flow_search"]
    assert len(saved["report"].get("batch", [0])) == len(saved["pictures"]) == batch
    for small, file in zip(saved["pictures"], files[::top_k], strict=True):
        small = Image.open(io.BytesIO(base64.b64decode(small)))
        assert small.size == (SIZE, SIZE) and len(small.tobytes()) < 50_000
        pair = [np.asarray(one.convert("RGB"), float) for one in (small, Image.open(file))]
        assert np.abs(pair[0] - pair[1]).mean() < 8.0
