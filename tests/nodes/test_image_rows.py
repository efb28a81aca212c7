"""Batches and lists of images: their rows in order, their groups by size, their outputs."""

import pytest
import torch


@pytest.fixture
def rows(parts):
    return parts.image_rows


def batch(*levels, size=(4, 4), channels=3):
    """Plain images of these levels."""
    return torch.tensor(levels)[:, None, None, None].expand(-1, *size, channels)


def levels(images):
    return [float(image.flatten()[0]) for image in images]


def close(*values):
    return pytest.approx(list(values))


def test_a_batch_stays_one_group_and_one_batch(rows):
    images = batch(0.1, 0.2, 0.3)
    found = rows.ImageRows.of([images], ["a"], 1)
    assert found.prompts == ["a"] * 3 and not found.are_videos
    groups = rows.SizeGroups(found, 2)
    ((group, prompts),) = groups
    assert group is images and prompts == ["a"] * 3 and groups.positions == [0, 1, 2]
    (picked,) = found.picked([2, 0])
    assert picked.shape == (2, 4, 4, 3) and levels(picked) == close(0.3, 0.1)


def test_a_list_has_groups_of_one_size_and_stays_a_list(rows):
    wide = {"size": (4, 8)}
    images = [batch(0.1), batch(0.2, **wide), batch(0.3), batch(0.4, 0.5), batch(0.6, **wide)]
    found = rows.ImageRows.of(images, ["a", "b", "c", "d", "e"], 1)
    assert found.prompts == ["a", "b", "c", "d", "d", "e"]
    groups = rows.SizeGroups(found, 3)
    assert [len(group) for group, _ in groups] == [3, 1, 2]
    for _ in range(2):  # it can be read again
        assert [levels(group) for group, _ in groups] == [
            close(0.1, 0.3, 0.4), close(0.5), close(0.2, 0.6)
        ]  # fmt: skip
    assert [prompts for _, prompts in groups] == [["a", "c", "d"], ["d"], ["b", "e"]]
    assert groups.positions == [0, 2, 3, 4, 1, 5]
    picked = found.picked([5, 0])
    assert [image.shape for image in picked] == [(1, 4, 8, 3), (1, 4, 4, 3)]
    assert levels(picked) == close(0.6, 0.1)


def test_grey_and_alpha_in_a_list_are_scored_as_rgb_and_returned_as_they_are(rows):
    found = rows.ImageRows.of([batch(0.1, channels=1), batch(0.5, channels=4)], ["a"], 1)
    groups = [group for group, _ in rows.SizeGroups(found, 8)]
    assert [group.shape[-1] for group in groups] == [3, 3]
    assert levels(groups) == close(0.1, 0.75)
    assert [image.shape[-1] for image in found.picked([0, 1])] == [1, 4]


def test_videos(rows):
    found = rows.ImageRows.of([batch(0.1, 0.2, 0.3, 0.4)], ["a"], 2)
    assert found.are_videos and found.prompts == ["a", "a"]
    ((group, _),) = rows.SizeGroups(found, 8)
    assert group.shape == (2, 2, 4, 4, 3)
    (picked,) = found.picked([1, 0])
    assert levels(picked) == close(0.3, 0.4, 0.1, 0.2)


def test_a_list_of_videos_of_different_lengths(rows):
    found = rows.ImageRows.of([batch(0.1, 0.2), batch(0.3, 0.4, 0.5)], ["a"], 0)
    assert [group.shape[:2] for group, _ in rows.SizeGroups(found, 8)] == [(1, 2), (1, 3)]
    assert [levels(video) for video in found.picked([1, 0])] == [
        close(0.3, 0.4, 0.5), close(0.1, 0.2)
    ]  # fmt: skip


def test_values_alone_and_in_lists(rows):
    assert rows.single("keep", 3) == rows.single("keep", [3]) == 3
    assert rows.listed("prompt", "a") == ["a"]
    with pytest.raises(ValueError, match="keep takes one value: got a list of 2, expected one"):
        rows.single("keep", [1, 2])
    with pytest.raises(ValueError, match="images has no value: got an empty list, expected at"):
        rows.listed("images", [])


@pytest.mark.parametrize(
    "images, prompts, length, sentence",
    [
        ([batch(0.1)] * 3, ["a", "b"], 1, "got 2, expected 1 or 3"),
        ([batch(0.1, 0.2)], ["a"] * 2, 1, "got 2, expected 1"),
        ([batch(0.1)[0]], ["a"], 1, r"wrong shape: got \(4, 4, 3\), expected"),
        ([batch(0.1), batch(0.1)[:0]], ["a"], 1, r"wrong shape: got \(0, 4, 4, 3\), expected"),
        ([batch(0.1), batch(0.1, channels=5)], ["a"], 1, "channels: got 5, expected 3"),
        ([batch(0.1, 0.2, 0.3)], ["a"], 2, "got 3 images, expected a multiple of clip_length 2"),
        ([batch(0.1)], ["a"], -1, "clip_length is negative: got -1, expected 0 or more"),
    ],
)
def test_refusals_are_one_sentence(rows, images, prompts, length, sentence):
    with pytest.raises(ValueError, match=sentence) as caught:
        rows.ImageRows.of(images, prompts, length)
    assert "\n" not in str(caught.value)
