"""The prompt that leads to a node's positive conditioning, in graphs as the host executes them."""

import pytest

OUTPUTS = {  # type and name of the outputs; the other types have one CONDITIONING
    "KSampler": [("LATENT", "LATENT")],
    "Guider": [("GUIDER", "GUIDER")],
    "Loader": [("MODEL", "MODEL"), ("CLIP", "CLIP")],
    "ControlNet": [("CONDITIONING", "positive"), ("CONDITIONING", "negative")],
    "Any": [("*", "*")],
    "Switch": [("COMFY_MATCHTYPE_V3", "output")],
    "Number": [("INT", "INT")],
    "Both": [("MODEL", "MODEL"), ("CONDITIONING", "+"), ("CONDITIONING", "-")],
}
OUTPUTS |= dict.fromkeys(
    ("Primitive", "Concatenate", "Join", "Show", "Replace", "Count"), [("STRING", "STRING")]
)
INPUTS = {  # types of the inputs that may hold a typed value
    "Encode": {"text": "STRING", "clip": "CLIP"},
    "EncodeFlux": {"clip_l": "STRING", "t5xxl": "STRING", "clip": "CLIP", "guidance": "FLOAT"},
    "Both": {"file": "COMBO", "positive": "STRING", "negative": "STRING"},
    "Primitive": {"value": "STRING"},
    "Concatenate": {"string_a": "STRING", "string_b": "STRING", "delimiter": "STRING"},
    "Join": {"text_1": "STRING", "text_2": "STRING", "separator": "STRING", "mode": "COMBO"},
    "Replace": {"string": "STRING", "find": "STRING", "replace": "STRING"},
    "Count": {"string": "STRING", "times": "INT"},
    "Any": {"clip": "CLIP"},
    "Area": {"width": "INT"},
}
COMPUTED = {
    "Concatenate": lambda string_a, string_b, delimiter: delimiter.join((string_a, string_b)),
    "Replace": lambda string, find, replace: string.replace(find, replace),
    "Count": lambda string, times: string * times,
}


def node(class_type, **inputs):
    return {"class_type": class_type, "inputs": inputs}


def encode(text):
    return node("Encode", text=text, clip=["loader", 1])


LOADER = node("Loader")
NEGATIVE = encode("ugly")


@pytest.fixture
def upstream(parts):
    module = parts.upstream_prompt

    def signature(kind):
        outputs = OUTPUTS.get(kind, [("CONDITIONING", "CONDITIONING")])
        return module.Signature(INPUTS.get(kind, {}), tuple(outputs), COMPUTED.get(kind))

    def walk(positive=("text", 0), start=None, **nodes):
        start = start or node(
            "KSampler", model=["loader", 0], positive=list(positive), negative=["no", 0], seed=3
        )
        graph = {"loader": LOADER, "no": NEGATIVE, "search": start, **nodes}
        return module.upstream_prompt("search", graph.get, signature)

    return walk


TEXT = {"text": encode("a cat")}
GRAPHS = {
    "typed": TEXT,
    "a primitive": {"text": encode(["words", 0]), "words": node("Primitive", value=" a cat\n")},
    "a concatenation": {
        "text": encode(["both", 0]),
        "both": node("Concatenate", string_a=["one", 0], string_b="cat", delimiter=" "),
        "one": node("Primitive", value="a"),
    },
    "another pack's concatenation": {
        "text": encode(["both", 0]),
        "both": node("Join", text_1="a", text_2=["two", 0], separator=" ", mode="all"),
        "two": node("Primitive", value="cat"),
    },
    "a text that is computed": {
        "text": encode(["new", 0]),
        "new": node("Replace", string=["old", 0], find="dog", replace="cat"),
        "old": node("Primitive", value="a dog"),
    },
    "a number that only a run can tell": {
        "text": encode(["new", 0]),
        "new": node("Count", string="a cat", times=["number", 0]),
        "number": node("Number"),
    },
    "a text that is shown on the way": {
        "text": encode(["show", 0]),
        "show": node("Show", text=["words", 0]),
        "words": node("Primitive", value="a cat"),
    },
    "a conditioning node": {
        "text": node("Area", conditioning=["deep", 0], width=8),
        "deep": encode("a cat"),
    },
    "a node for both": {
        "text": node("ControlNet", positive=["yes", 0], negative=["no", 0], strength=1.0),
        "yes": encode("a cat"),
    },
    "a node of any type": {
        "text": node("Any", any_1=["yes", 0], clip=["loader", 1]),
        "yes": encode("a cat"),
    },
    "a switch": {
        "text": node("Switch", switch=False, on_false=["yes", 0], on_true=["other", 0]),
        "yes": encode("a cat"),
        "other": encode("a dog"),
    },
    "the same text for two encoders": {
        "text": node("EncodeFlux", clip_l="a cat", t5xxl="a cat", guidance=3.5),
    },
    "an empty text beside it": {
        "text": node("EncodeFlux", clip_l="", t5xxl="a cat", guidance=3.5),
    },
    "two ways to one text": {
        "text": node("Combine", conditioning_1=["yes", 0], conditioning_2=["again", 0]),
        "again": node("Area", conditioning=["yes", 0], width=8),
        "yes": encode("a cat"),
    },
    "a loader with both prompts": {
        "text": node("Area", conditioning=["all", 1], width=8),
        "all": node("Both", file="a.safetensors", positive="a cat", negative="ugly"),
    },
    "a subgraph, which has been unpacked": {
        "text": node("Area", conditioning=["7:3", 0], width=8),
        "7:3": encode(["7:8:1", 0]),
        "7:8:1": node("Primitive", value="a cat"),
    },
}


@pytest.mark.parametrize("case", GRAPHS)
def test_the_positive_prompt_is_read(upstream, case):
    assert upstream(**GRAPHS[case]).texts == ("a cat",)


def test_the_clips_of_the_positive_prompt_are_found(upstream):
    """Those that encode it, once each; not that of the negative prompt."""
    both = node("Combine", conditioning_1=["one", 0], conditioning_2=["two", 0])
    two = node("Encode", text="a dog", clip=["other", 1])
    found = upstream(
        text=both, one=encode(""), two=two, again=encode("a cat"), other=LOADER,
        no=node("Encode", text="ugly", clip=["third", 1]), third=LOADER,
    )  # fmt: skip
    assert found.clips == (("loader", 1), ("other", 1))
    assert upstream(text=GRAPHS["a loader with both prompts"]["all"]).clips == ()


def test_a_guider_leads_to_the_prompt(upstream):
    search = node("KSampler", guider=["guider", 0], noise=["loader", 0])
    guiders = (
        node("Guider", model=["loader", 0], conditioning=["text", 0]),
        node("Guider", model=["loader", 0], positive=["text", 0], negative=["no", 0]),
        node("Guider", positive=["text", 0], negative=["no", 0], empty_conditioning=["no", 0]),
    )
    for guider in guiders:
        assert upstream(start=search, guider=guider, **TEXT).texts == ("a cat",)


def test_the_negative_output_of_a_node_for_both_is_the_negative_prompt(upstream):
    both = node("ControlNet", positive=["yes", 0], negative=["no", 0])
    assert upstream(["both", 1], both=both, yes=encode("a cat")).texts == ("ugly",)


def test_the_texts_of_the_search_itself_are_no_prompts(upstream):
    for start in (node("Encode", text="a report"), node("Encode", text="", guider=["text", 0])):
        assert upstream(start=start, text=node("Guider")).texts == ()


def test_several_prompts_are_named(upstream):
    both = node("Combine", conditioning_1=["one", 0], conditioning_2=["two", 0])
    prompts = upstream(text=both, one=encode("a cat"), two=encode("a dog"))
    assert prompts.texts == ("a cat", "a dog")
    assert prompts.refusal == (
        "The workflow has several prompts: got 'a cat', 'a dog', expected one. Type the text for "
        "the reward into prompt."
    )


@pytest.mark.parametrize(
    ("nodes", "got"),
    [
        ({"text": node("Unclip", image=["loader", 0])}, "no text in Unclip"),
        (
            {"text": node("Area", conditioning=["deep", 0]), "deep": encode(" ")},
            "no text in Encode",
        ),
        ({}, "none"),  # muted
    ],
)
def test_no_prompt_is_a_sentence_that_names_the_end(upstream, nodes, got):
    assert upstream(**nodes).refusal == (
        f"The workflow has no prompt for the reward: got {got}, expected a node that encodes a "
        "text. Type the text into prompt."
    )


def test_a_wide_graph_is_walked_once(upstream):
    """2^40 ways lead through these pairs."""
    nodes = {"text": node("Combine", a=["0", 0], b=["0", 0])}
    nodes |= {str(i): node("Combine", a=[str(i + 1), 0], b=[str(i + 1), 0]) for i in range(40)}
    assert len(upstream(**nodes, **{"40": encode("a cat")}).texts) == 1
