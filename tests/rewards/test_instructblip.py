"""VQAScore by InstructBLIP-FlanT5, on tiny random weights: against transformers' own class, and
against its authors'.

``fixtures/instructblip.json`` holds scores by these, in the package of VQAScore;
``fixtures/make_instructblip.py`` made it.
"""

import json
import math
from pathlib import Path

import pytest
import torch
from pack.rewards import REWARDS, Files, Scorer
from pack.rewards.files.weights import peek
from pack.rewards.question.instructblip import is_instructblip

from . import tiny_t5
from .tiny_instructblip import CONFIG, IMAGE, QUERIES, build, new_model, new_state, write

transformers = pytest.importorskip("transformers")

CASES = json.loads((Path(__file__).parent / "fixtures" / "instructblip.json").read_text())
PROMPTS = ["a red cat", "two blue dogs, running", "a red cat"]
QUESTION = 'Question: Does this figure show "{}"? Please answer yes or no.'
# Names of the published files, of one part each.
PUBLISHED = (
    "query_tokens",
    "vision_model.encoder.layers.1.self_attn.qkv.weight",
    "vision_model.embeddings.class_embedding",
    "qformer.embeddings.word_embeddings.weight",
    "qformer.encoder.layer.0.crossattention.attention.query.weight",
    "qformer.encoder.layer.1.intermediate_query.dense.bias",
    "language_projection.weight",
    "language_model.shared.weight",
    "language_model.lm_head.weight",
)


def load(path, bf16=False, **settings):
    files = Files(supports=lambda dtype: bf16)
    return REWARDS["vqascore_instructblip"](checkpoint=str(path), **settings).load(files)


def images(*shape, count=3):
    return torch.tensor(tiny_t5.pictures(shape, count)).float() / 255


@pytest.fixture(scope="module")
def state():
    return new_state()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("rewards") / "instructblip"
    build(path)
    return path


@pytest.fixture(scope="module")
def scorer(folder):
    return load(folder)


@pytest.fixture(scope="module")
def reference(folder, state):
    """Images, prompts, answer -> scores by the class's own forward, a picture at a time."""
    model = new_model()
    model.load_state_dict(state, strict=True)
    t5 = transformers.PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"))
    bert = transformers.BertTokenizer.from_pretrained(folder / "qformer_tokenizer")
    shown = transformers.CLIPImageProcessor(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )

    def score(pictures, prompts, answer="yes"):
        scores = []
        for picture, prompt in zip(pictures, prompts, strict=True):
            text = QUESTION.format(prompt)
            pixels = shown((picture * 255).byte().numpy(), return_tensors="pt")["pixel_values"]
            ids = [IMAGE] * QUERIES + t5(text).input_ids
            read = bert(text, return_tensors="pt")
            with torch.no_grad():
                loss = model(
                    pixel_values=pixels,
                    qformer_input_ids=read["input_ids"],
                    qformer_attention_mask=read["attention_mask"],
                    input_ids=torch.tensor([ids]),
                    attention_mask=torch.ones(1, len(ids), dtype=torch.long),
                    labels=torch.tensor([t5(answer).input_ids]),
                ).loss
            scores.append(math.exp(-float(loss)))
        return torch.tensor(scores)

    return score


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['answer']}-{case['shape']}")
def test_equals_the_package(folder, scorer, case):
    own = {k: case[k] for k in ("question", "answer") if case[k]}
    scorer = load(folder, **own) if own else scorer
    scores = scorer.score(images(*case["shape"]), case["prompts"])
    wanted = torch.tensor(case["scores"])
    # The package rounds a picture that it resizes to whole levels, and half a pixel of the crop's
    # margin up where transformers, as we, rounds it down.
    exact, half = min(case["shape"]) == 32, case["shape"] == [70, 96]
    close = 1e-5 if exact else 1e-2 if half else 2e-3
    torch.testing.assert_close(scores, wanted, rtol=close, atol=0)
    assert wanted.max() > 1.03 * wanted.min()


@pytest.mark.parametrize("shape", [(32, 32), (32, 40), (51, 32), (70, 96)])
def test_equals_transformers(scorer, reference, shape):
    assert isinstance(scorer, Scorer) and isinstance(scorer.module, torch.nn.Module)
    picture = images(*shape)
    scores = scorer.score(picture, PROMPTS)
    wanted = reference(picture, PROMPTS)
    assert scores.dtype == torch.float32 and scores.shape == (3,)
    # The processor rounds a picture that it resizes to whole levels.
    close = 1e-5 if min(shape) == 32 else 2e-3
    torch.testing.assert_close(scores, wanted, rtol=close, atol=0)
    assert wanted.max() > 1.01 * wanted.min()


def test_forms(folder, scorer, reference):
    picture = images(32, 40)
    yes, no = reference(picture, PROMPTS), reference(picture, PROMPTS, "no")
    log = load(folder, score="log").score(picture, PROMPTS)
    margin = load(folder, score="log_margin").score(picture, PROMPTS)
    torch.testing.assert_close(log, yes.log(), rtol=1e-5, atol=0)
    torch.testing.assert_close(margin, yes.log() - no.log(), rtol=1e-4, atol=1e-5)
    assert margin.abs().min() > 1e-2
    other = load(folder, answer="Yes").score(picture, PROMPTS)
    torch.testing.assert_close(other, reference(picture, PROMPTS, "Yes"), rtol=1e-5, atol=0)
    assert (other / yes - 1).abs().min() > 0.01
    assert (yes > 0).all() and (yes < 1).all()


def test_the_answer_is_lower_case_as_published(scorer):
    assert scorer.answers == ("yes", "no") and scorer.question == QUESTION


def test_names_are_the_published_ones(state):
    assert set(PUBLISHED) <= set(state)


@pytest.mark.parametrize("layout", ["pickles", "one", "decoder's embeddings", "image token"])
def test_layouts(scorer, state, tmp_path, layout):
    path = tmp_path / "other"
    if layout == "pickles":  # which keep equal tensors under every name
        write(path, state, pickles=True)
    else:
        kept = "decoder.embed_tokens" if layout.startswith("decoder") else "shared"
        names = {"shared", "encoder.embed_tokens", "decoder.embed_tokens"} - {kept}
        drop = {f"language_model.{name}.weight" for name in names}
        write(path, {k: v.clone() for k, v in state.items() if k not in drop}, shards=1)
    if layout == "image token":
        (path / "config.json").write_text(json.dumps(CONFIG | {"image_token_index": 32100}))
    assert is_instructblip(peek(path))
    wanted = scorer.score(images(32, 40), PROMPTS)
    torch.testing.assert_close(load(path).score(images(32, 40), PROMPTS), wanted, rtol=1e-6, atol=0)


def test_the_embeddings_are_not_the_output_layer(scorer, state):
    """transformers 5 ties them for any T5, and scales the output as if they were."""
    t5 = scorer.module.t5
    assert torch.equal(t5.shared.weight, state["language_model.shared.weight"])
    assert torch.equal(t5.lm_head.weight, state["language_model.lm_head.weight"])
    assert t5.encoder.embed_tokens is t5.decoder.embed_tokens is t5.shared  # held once
    assert not t5.config.tie_word_embeddings and not t5.config.scale_decoder_outputs


def test_nothing_is_left_unread(scorer, state):
    module = scorer.module
    everything = [*module.named_parameters(), *module.named_buffers()]
    assert not [name for name, tensor in everything if tensor.is_meta]
    assert not [name for name, weights in module.named_parameters() if weights.requires_grad]
    assert not any(part.training for part in module.modules())
    held = module.model.state_dict()
    assert not [name for name in state if not torch.equal(held[name], state[name])]
    assert module.t5.config.dense_act_fn == "gelu"


def test_bfloat16(folder, scorer):
    half = load(folder, bf16=True)
    assert {weights.dtype for weights in half.module.parameters()} == {torch.bfloat16}
    got, wanted = (s.score(images(32, 40), PROMPTS) for s in (half, scorer))
    assert got.dtype == torch.float32
    torch.testing.assert_close(got.log(), wanted.log(), rtol=0, atol=0.15)


def test_both_readers_see_the_question(folder, scorer):
    """The Q-Former's words and T5's are of different tokenizers, and both count."""
    t5, qformer = scorer.ask(QUESTION.format("a Cat"))
    assert t5[-1] == 1 and len(t5) > 20
    assert (qformer[0], qformer[-1]) == (2, 3) and 5 in qformer  # [CLS], [SEP], figure
    assert qformer == scorer.ask(QUESTION.format("a cat"))[1]  # in lower case
    picture = images(32, 32, count=1)
    pixels = scorer.module.pixels(picture)
    other = scorer.ask(QUESTION.format("a dog"))
    seen = scorer.module.see(pixels)
    base = scorer.module.embed(seen, torch.tensor(t5), torch.tensor(qformer))
    changed = scorer.module.embed(seen, torch.tensor(t5), torch.tensor(other[1]))
    difference = (base - changed).abs().amax(-1)[0]
    assert (difference[:QUERIES] > 1e-4).all() and not difference[QUERIES:].any()


def test_long_questions_are_cut_on_the_left(scorer, caplog):
    short = scorer.ask(QUESTION.format("a cat"))
    assert not caplog.records
    long = scorer.ask(QUESTION.format("a cat and " * 30 + "a cat"))
    assert "last 128 tokens" in caplog.text
    for cut, whole, first in zip(long, short, (None, 2), strict=True):
        assert len(cut) == 128 and cut[-20:] == whole[-20:]
        assert first is None or cut[0] == first


def test_tokenizers(folder, scorer, tmp_path):
    import shutil

    bare = shutil.copytree(folder, tmp_path / "bare")
    (bare / "tokenizer.json").unlink()
    with pytest.raises(ValueError, match="has no T5 tokenizer: .*google/flan-t5-xl"):
        load(bare)
    files = Files(tokenizers={"t5": folder})
    reward = REWARDS["vqascore_instructblip"](checkpoint=str(bare))
    wanted = scorer.score(images(32, 40), PROMPTS)
    assert torch.equal(reward.load(files).score(images(32, 40), PROMPTS), wanted)
    words = bare / "qformer_tokenizer"
    transformers.BertTokenizerFast.from_pretrained(words).save_pretrained(words)
    assert (words / "tokenizer.json").is_file()
    assert reward.load(files).ask("A cat?") == scorer.ask("A cat?")
    shutil.rmtree(words)
    with pytest.raises(ValueError, match="has no qformer_tokenizer/vocab.txt"):
        reward.load(files)


def test_settings_are_checked(folder, scorer):
    with pytest.raises(ValueError, match="place for the prompt: got .*, expected one {}"):
        load(folder, question="Is it nice?")
    with pytest.raises(ValueError, match="An answer is empty: got .*, expected text in each"):
        load(folder, opposite="")
    scorer.check("a cat")
    with pytest.raises(ValueError, match="needs a prompt"):
        scorer.check("  ")


def refusal(path):
    with pytest.raises(ValueError) as error:
        load(path)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_wrong_checkpoints_say_what_they_are(folder, tmp_path, state):
    import shutil

    from safetensors.torch import save_file

    assert "does not exist" in refusal(tmp_path / "missing")
    assert "neither a weights file nor a folder" in refusal(tmp_path)
    save_file({"mm_projector.0.weight": torch.zeros(2)}, tmp_path / "file.safetensors")
    assert "looks like CLIP-FlanT5: expected a folder with InstructBLIP" in refusal(
        tmp_path / "file.safetensors"
    )
    path = shutil.copytree(folder, tmp_path / "wrong")

    def with_config(**changes):
        (path / "config.json").write_text(json.dumps(CONFIG | changes))
        assert is_instructblip(peek(path)) == ("auto_map" in changes)
        return refusal(path)

    assert "looks like InstructBLIP" in with_config(text_config={"model_type": "llama"})
    assert "looks like InstructBLIP" in with_config(model_type="blip-2")
    told = with_config(auto_map={"AutoModel": "evil.Evil"})
    assert "run code of its own" in told and folder.name in told
    (path / "config.json").write_text(json.dumps(CONFIG))
    (path / "model-00002-of-00002.safetensors").unlink()
    assert "lacks model-00002-of-00002.safetensors" in refusal(path)
    shutil.rmtree(path)
    lost = "language_model.lm_head.weight"
    write(path, {k: v.clone() for k, v in state.items() if k != lost}, shards=1)
    assert "lacks 1 tensors, language_model.lm_head.weight among them" in refusal(path)
