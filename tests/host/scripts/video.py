"""Run by test_video.py in a process of its own: rewards of clips behind the host's objective.

The decoder is a stub: it repeats each latent pixel. Arguments: ComfyUI's folder, that
of the rewards' weights. Prints one JSON object.
"""

import json
import sys
from types import SimpleNamespace

import host_in_process as process  # isort: skip

import folder_paths
import server
import torch
from pack.nodes.host import decode, objective, reward_files
from pack.nodes.host import reward as hosted
from pack.nodes.host.image_bytes import shrink
from pack.nodes.rewards import combine
from pack.nodes.rewards import loader as reward
from pack.nodes.run import watchdog
from pack.nodes.show import report, winners
from pack.samplers.batching import MicroBatch
from pack.samplers.purse import Purse
from pack.samplers.types import Particles, SearchEvent
from pack.tests.host.helpers.apple import Apple

server.PromptServer.instance = SimpleNamespace(send_sync=lambda *sent: None, client_id=None)
folder_paths.add_model_folder_path(reward_files.FOLDER, *process.ARGUMENTS)
CLIP = 5 * 48 * 48 * 3 * 4  # bytes of a clip here
base = SimpleNamespace(process_latent_out=lambda x: x)
network = SimpleNamespace(base=base, load=lambda x, rows, times=1: None, pictures=lambda x: x)


def decoded(latents):
    """Clips (K,T,H,W,3) of latents (K,3,T,h,w)."""
    return latents.movedim(1, -1).repeat_interleave(8, 2).repeat_interleave(8, 3)


def loaded(name, **settings):
    return reward.RewardModelLoader.execute({"reward": name, **settings}).args[0]


def objective_of(scored, remember=1):
    return objective.HostObjective(
        SimpleNamespace(decode=decoded), scored.fresh(), "a prompt", network, Purse(),
        MicroBatch(), remember,
    )  # fmt: skip


def judge(scored, x0, remember=1):
    """Scores, what was charged, and the shapes of the pictures kept."""
    ours = objective_of(scored, remember)
    scores = ours(x0).tolist()
    kept = {row: list(picture.shape) for row, picture in ours.images.whole.items()}
    charged = [ours.purse.counts[name] for name in ("decodes", "rewards")]
    return {"scores": scores, "charged": charged, "kept": kept}


def watch(scored, x0, moves):
    """Each row is tried in turn; after some of them the search moves to others, `moves`.

    Of each move: the watchdog's decodes so far, and the score it gives.
    """
    every = []
    tries, trace = objective_of(scored, 8), report.Trace([1.0] * len(x0), watched=True)
    dog = watchdog.Watchdog(objective_of(scored, 8), trace)
    told = []
    for i in range(len(x0)):
        rows, none = x0[i : i + 1], torch.tensor([-1])
        one = Particles(rows, rows, rows, tries(rows), torch.tensor([i]), none, none, none)
        every.append(one)
        event = SearchEvent("propose", one, i)
        dog.see(event, trace.add(event), tries.images)
        for to in moves.get(i, ()):
            event = SearchEvent("exhaust", every[to], i)
            dog.see(event, trace.add(event), tries.images)
            told.append([dog.objective.purse.counts["decodes"], trace.by_id[to]["watchdog"]])
    return told


def together(held):
    """Rows of each decode of six clips when a part may hold as many bytes."""
    ours, calls = objective_of(loaded("brightness"), 8), []

    def decode_some(latents):
        calls.append(len(latents))
        return decoded(latents)

    ours.vae, ours.HELD = SimpleNamespace(decode=decode_some), held
    scores = ours(rows(6))
    return {"calls": calls, "scores": scores.tolist(), "kept": len(ours.images.whole)}


def turns(held):
    """Whose turn it is, and with how many, in a round of 30 stills when as many bytes are held."""
    bright, seen = loaded("brightness", target=1.0), []
    ours = objective_of(bright)
    own = ours.reward.scorer

    def decode_some(latents):
        seen.append(["decoder", len(latents)])
        return decoded(latents[:, :, None])[:, 0]

    def score_some(images, prompts):
        seen.append(["reward", len(images)])
        return own.score(images, prompts)

    ours.vae, ours.HELD = SimpleNamespace(decode=decode_some), held
    counted = SimpleNamespace(score=score_some, check=own.check)
    ours.reward = hosted.HostReward(counted, bright.settings)
    scores = ours(rows(30)[:, :, 0])
    return {"turns": seen, "scores": scores.tolist()}


def previewed(count):
    """Width and height of the preview of a clip of `count` frames, and the grey of its corners."""
    greys = torch.linspace(0, 1, count)[None, :, None, None, None].expand(1, -1, 8, 12, 3)
    image = decode.preview(greys if count > 1 else greys[:, 0])
    across, down = image.size
    corners = [(x, y) for y in (0, down - 1) for x in (0, across - 1)]
    return [across, down, [image.getpixel(corner)[0] for corner in corners]]


def rows(count):
    """Latents (count,3,T,6,6) of 5 frames, each of one grey."""
    levels = torch.rand(count, 5, generator=torch.Generator().manual_seed(0))
    return levels[:, None, :, None, None].expand(-1, 3, -1, 6, 6).clone()


def on_a_mac():
    """Scores of three clips there, and the shape of a large picture made small."""
    ours = objective_of(loaded("brightness", target=1.0))
    ours.vae = SimpleNamespace(decode=lambda latents: decoded(latents).as_subclass(Apple))
    small = shrink(torch.full((700, 1000, 3), 0.5).as_subclass(Apple))
    return {"scores": ours(rows(3)).tolist(), "small": [*small.shape, int(small.max())]}


def unstored(frames):
    """References to a result of so many frames where the temp folder takes no file."""
    folder_paths.set_temp_directory(__file__)
    return winners.winners(torch.zeros(2 * frames, 8, 8, 3), {"top": [0, 0]}, None)


with torch.inference_mode():
    x0 = rows(19)
    bright = loaded("brightness", target=1.0)
    worst = loaded("video", frame_reward=bright, frames=3, pooling="minimum")
    alike = loaded("temporal_consistency", checkpoint="tower", frames=0)
    mode = {"mode": "weighted_sum", "weight_2": 10.0, "standardise": False}
    both = combine.CombineRewards.execute(worst, alike, mode).args[0]
    learns = combine.CombineRewards.execute(bright, bright, {"mode": "weighted_sum"}).args[0]
    order = torch.tensor(judge(bright, x0)["scores"]).argsort(descending=True)
    broken = x0.clone()
    broken[1, :, 1] = torch.nan  # a frame that is not among the three
    told = {
        "levels": x0[:, 0, :, 0, 0].tolist(),
        "mean": judge(bright, x0),
        "worst": judge(worst, x0, remember=3),
        "alike": judge(alike, x0),
        "both": judge(both, x0),
        "broken": judge(worst, broken[:3]),
        "still": judge(worst, x0[:3, :, :1]),
        "learns": [judge(loaded("video", frame_reward=learns), x0) for _ in range(2)],
        "moves": watch(bright, x0[order], {11: (0, 11, 7, 8), 12: (1,)}),
        "settings": both.settings,
        "together": [together(held) for held in (1 << 30, 3 * CLIP, CLIP // 2)],
        "turns": [turns(held) for held in (1 << 30, 4 * CLIP // 5)],
        "previews": [previewed(count) for count in (1, 2, 9)],
        "mac": on_a_mac(),
        "unstored": [unstored(frames) for frames in (1, 5)],
    }
sys.stdout.write(json.dumps(told) + "\n")
