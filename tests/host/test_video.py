"""Rewards of clips: wired through the HTTP API, and behind the objective of a video search."""

import numpy as np
import pytest
from pack.tools.client import ComfyError
from pack.tools.probing.graphs import search

from ..rewards.test_temporal import build
from .helpers.reward_graphs import combine, greys, loader, scoring
from .helpers.scripts import run_script


def video(reward="picture", **settings):
    return loader("video", frame_reward=[reward, 0], **settings)


@pytest.fixture(scope="module")
def told(comfyui, tmp_path_factory):
    """What scripts/video.py reports."""
    rewards = tmp_path_factory.mktemp("rewards")
    build(rewards / "tower")
    return run_script("video.py", comfyui, rewards)


@pytest.fixture(scope="module")
def greyness(told):
    """What brightness gives each frame: -|level - 1|."""
    return -np.abs(np.array(told["levels"]) - 1.0)


def test_a_reward_of_pictures_scores_the_mean_of_all_frames(told, greyness):
    assert told["mean"]["scores"] == pytest.approx(greyness.mean(1), abs=1e-5)
    assert told["mean"]["charged"] == [19, 19]


def test_video_scores_the_frames_asked_for(told, greyness):
    worst = greyness[:, [0, 2, 4]].min(1)
    assert told["worst"]["scores"] == pytest.approx(worst, abs=1e-5)
    assert told["worst"]["charged"] == [19, 19]
    best = np.argsort(-worst, kind="stable")[:3]
    assert told["worst"]["kept"] == {str(row): [1, 5, 48, 48, 3] for row in best}
    assert list(told["worst"]["kept"]) == [str(row) for row in best]


def test_video_and_temporal_consistency_together(told):
    worst, alike = (np.array(told[name]["scores"]) for name in ("worst", "alike"))
    assert told["both"]["scores"] == pytest.approx(worst + 10 * alike, abs=1e-4)
    assert alike.std() > 1e-3 and (np.abs(alike) <= 1.0).all()


def test_a_clip_with_a_broken_frame_is_a_picture_that_is_not_finite(told):
    first, second, third = told["broken"]["scores"]
    assert second == -float("inf")
    assert [first, third] == pytest.approx([told["worst"]["scores"][i] for i in (0, 2)])
    assert told["broken"]["charged"] == [3, 2]


def test_a_clip_of_one_frame(told, greyness):
    assert told["still"]["scores"] == pytest.approx(greyness[:3, 0], abs=1e-5)


def test_a_watchdog_keeps_the_best_clips_since_the_last_move(told, greyness):
    """Twelve tries, each worse than the one before: the first 8 are at hand until another try
    follows a move, any other is decoded again."""
    decodes, scores = zip(*told["moves"], strict=True)
    assert decodes == (0, 1, 1, 2, 3)
    best = -np.sort(-greyness.mean(1))
    assert scores == pytest.approx(best[[0, 11, 7, 8, 1]], abs=1e-5)


def test_clips_are_decoded_as_many_at_once_as_may_be_held(told):
    """The first alone, to see how large one is."""
    large, middle, small = told["together"]
    assert large["calls"] == [1, 5] and middle["calls"] == [1, 3, 2]
    assert small["calls"] == [1] * 6
    assert large["scores"] == middle["scores"] == small["scores"]
    assert [part["kept"] for part in told["together"]] == [6, 3, 1]


def test_the_stills_of_a_round_are_decoded_before_they_are_scored(told):
    """The first eight alone, to see how large they are; then as many as may be held."""
    large, small = told["turns"]
    first = [["decoder", 8], ["reward", 8]]
    rest = [["decoder", 8], ["decoder", 8], ["decoder", 6], ["reward", 22]]
    assert large["turns"] == first + rest
    last = [["decoder", 2], ["reward", 2]]
    assert small["turns"] == first + 5 * [["decoder", 4], ["reward", 4]] + last
    assert large["scores"] == small["scores"] and len(set(large["scores"])) > 20


def test_the_preview_of_a_clip_shows_frames_of_it(told):
    assert told["previews"] == [
        [12, 8, [0] * 4],
        [24, 8, [0, 255, 0, 255]],
        [24, 16, [0, 96, 159, 255]],
    ]


def test_what_a_combination_learns_in_it_is_of_one_run(told):
    first, second = told["learns"]
    assert first == second and np.std(first["scores"]) > 0.1


def test_the_settings_of_every_reward_are_told(told):
    settings = told["settings"]
    assert settings["reward_1.reward"] == "video"
    assert settings["reward_1.reward.frames"] == 3
    assert settings["reward_1.reward.frame_reward"] is True
    assert settings["reward_1.reward.frame_reward.reward"] == "brightness"
    assert settings["reward_1.reward.frame_reward.reward.target"] == 1.0
    assert settings["reward_2.reward.checkpoint"] == "tower"


def test_pictures_are_clips_of_one_frame(host):
    graph = greys(51, 204, 102) | {"picture": loader("brightness", target=1.0)}
    graph["reward"] = video(frames=3)
    found = host.probe(scoring(graph))["scores"]
    assert found["scores"] == pytest.approx([-0.8, -0.2, -0.6])
    assert found["settings"]["reward.frame_reward.reward.target"] == 1.0


def test_a_search_and_a_video_of_a_combination(host):
    """The demo model makes pictures: its search is the one for the frames' reward."""
    rewards = []
    for wrapped in (False, True):
        graph = search(budget=12)
        graph["count it"], graph["sharp"] = graph["reward"], loader("sharpness")
        graph["picture"] = combine("weighted_sum", "count it", "sharp")
        graph["reward"] = video() if wrapped else graph["picture"]
        report = host.probe(graph)["report"]
        rewards.append([row["reward"] for row in report["trace"]])
    assert rewards[0] == pytest.approx(rewards[1], abs=1e-6)
    assert report["settings"]["reward.frame_reward.reward_2.reward"] == "sharpness"


def test_temporal_consistency_under_the_hosts_memory_management(host):
    build(host.base / "models" / "rewards" / "tower")
    alike = loader("temporal_consistency", checkpoint="tower")
    found = host.probe(scoring(greys(51, 204) | {"reward": alike}))["scores"]
    assert found["scores"] == pytest.approx([1.0, 1.0], abs=1e-5)
    listed = host.client.get("/object_info/FlowSearchRewardLoader")["FlowSearchRewardLoader"]
    options = {o["key"]: o["inputs"] for o in listed["input"]["required"]["reward"][1]["options"]}
    assert "tower" in options["temporal_consistency"]["required"]["checkpoint"][1]["options"]
    assert options["video"]["optional"]["frame_reward"][0] == "FLOW_REWARD"


def test_score_images_takes_clips(host):
    """Two clips of three frames, by the worst frame and the mean; and six frames as one clip."""
    frames = greys(51, 204, 102, 204, 153, 178) | {"picture": loader("brightness", target=1.0)}
    worst = scoring(frames | {"reward": video(frames=0, pooling="minimum")}, clip_length=3)
    shown = host.probe(worst)
    assert shown["scores"]["scores"] == pytest.approx([-0.8, -0.4])
    assert (shown["scores"]["order"], shown["best_score"]) == ([1, 0], shown["scores"]["scores"][1])
    assert shown["means"] == pytest.approx([level / 255 for level in (204, 153, 178, 51, 204, 102)])
    mean = host.probe(scoring(frames | {"reward": frames["picture"]}, clip_length=3))["scores"]
    assert mean["scores"] == pytest.approx([-1.6 / 3, (204 + 153 + 178) / 765 - 1])
    build(host.base / "models" / "rewards" / "tower")
    alike = loader("temporal_consistency", checkpoint="tower")
    alike = host.probe(scoring(frames | {"reward": alike}, clip_length=0))["scores"]
    assert len(alike["scores"]) == 1 and -1.0 <= alike["scores"][0] < 1.0 - 1e-4


def test_clips_of_whole_length(host):
    with pytest.raises(ComfyError, match="got 3 images, expected a multiple of clip_length 2"):
        host.run(scoring(greys(51, 204, 102) | {"reward": loader("brightness")}, clip_length=2))


def test_a_mac_that_keeps_pictures_on_its_gpu(told, greyness):
    """MPS has no float64, and no averages over parts of unequal size."""
    assert told["mac"]["scores"] == pytest.approx(greyness[:3].mean(1), abs=1e-5)
    assert told["mac"]["small"] == [1, 358, 512, 3, 128]


def nothing_wired():
    return {"reward": loader("video")}


def clips_wired():
    return {"picture": loader("brightness"), "clips": video(), "reward": video("clips")}


def test_a_full_disk_does_not_lose_the_result(told):
    assert told["unstored"] == [[], []]


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (nothing_wired, "`frame_reward` is not connected: got nothing, expected a reward for"),
        (clips_wired, "got a reward for whole videos, expected one for images"),
    ],
)
def test_one_clear_sentence(host, make, sentence):
    with pytest.raises(ComfyError) as caught:
        host.run(scoring(greys(51) | make()))
    assert sentence in str(caught.value) and "\n" not in str(caught.value).strip()


def test_a_watchdog_of_clips(host):
    graph = search(budget=12)
    graph["picture"] = loader("sharpness")
    graph["watchdog"] = video(pooling="steady")
    graph["search"]["inputs"]["watchdog"] = ["watchdog", 0]
    report = host.probe(graph)["report"]
    assert report["best"]["watchdog"] > 0.0
    assert report["settings"]["watchdog.reward.frame_reward.reward"] == "sharpness"
