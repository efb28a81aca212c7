"""Which model is asked (Field 13), and what is said of one that thinks first (Field 15)."""

import pytest

from .asking import PROMPT, close, connected, error_of, load, score
from .vlm_server import MODEL, entries, likeliest, openai, serve


@pytest.mark.parametrize(
    "typed", ["org/model:provider", "a-vision", "A-VISION-MODEL:LATEST", "a-vision-model:other"]
)
def test_a_named_model_that_is_not_listed_is_asked(typed, images):
    with serve() as server:
        scorer = connected(server, model=typed)
        assert close(score(scorer, images[:1]), images[:1])
        assert {r["body"]["model"] for r in server.asked} == {typed}


def of_models(answer):
    """A hook that answers a GET, and no question."""
    return lambda request, _: answer if request["method"] == "GET" else None


HTML = "<!doctype html><title>Log in</title>"


@pytest.mark.parametrize(
    "answer",
    [
        *[(status, {}, "no") for status in (301, 400, 401, 403, 404, 405, 410, 422, 500, 501)],
        (200, {}, HTML),
        (200, {}, ""),
        (200, {}, "{"),
        (200, {}, "[" * 100_000),
        (200, {}, {}),
        (200, {}, []),
        (200, {}, {"data": None}),
        (200, {}, {"error": "Unexpected endpoint"}),
        (200, {}, [{"id": "b"}]),
    ],
)
def test_no_list_of_models_keeps_a_named_one_from_being_asked(answer, images):
    with serve(hook=of_models(answer)) as server:
        scorer = connected(server, model="mine", retries=0)
        assert close(score(scorer, images[:1]), images[:1])
        assert {r["body"]["model"] for r in server.asked} == {"mine"}


@pytest.mark.parametrize(
    "listed",
    [
        [{"id": "first"}, {"id": "second"}],
        {"data": [{"id": "first"}]},
        {"models": [{"name": "first"}]},
        {"models": [{"model": "first"}], "data": []},
        ["first", "second"],
    ],
)
def test_the_first_of_a_list_in_any_shape(listed):
    with serve(hook=of_models((200, {}, listed))) as server:
        load(server).check(PROMPT)
        assert {r["body"]["model"] for r in server.asked} == {"first"}


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_model_that_is_refused_is_told_with_those_listed(status):
    refuse = lambda r, _: (status, {}, {"error": "not yours"}) if r["body"] else None  # noqa: E731
    with serve(hook=refuse) as server, pytest.raises(ValueError) as found:
        load(server, model="x").check(PROMPT)
    assert f"answered {status}: not yours" in str(found.value)
    models = f"{MODEL}, another-model"
    assert f"{server.url} lists other models: got 'x', expected {models}" in str(found.value)


def chat(message, likelihoods=False, finish="length"):
    told = openai(entries([("Okay", 0.8), ("Yes", 0.1), ("No", 0.05)]), likelihoods)
    told["choices"][0] |= {"message": {"role": "assistant", **message}, "finish_reason": finish}
    return told


def counted(answer):
    return answer | {"usage": {"completion_tokens_details": {"reasoning_tokens": 1}}}


LM_STUDIO = {"content": "", "reasoning_content": "Okay", "tool_calls": []}
ALONE = "answers with its reasoning alone: expected yes or no as its first token. "
HIDDEN = "answers with a token that is not shown, as models do that think first"
EFFORT = '{"reasoning_effort": "none"}'
THINKING = {
    "LM Studio": ("lm_studio", chat(LM_STUDIO), ALONE, '{"reasoning": {"effort": "none"}}'),
    "Ollama": ("ollama", chat({"content": "", "reasoning": "Okay"}), ALONE, EFFORT),
    "Ollama, told": ("ollama", chat({"content": "", "reasoning": "O"}, True), ALONE, EFFORT),
    "Ollama, hidden": ("ollama", chat({"content": ""}), HIDDEN, EFFORT),
    "vLLM": ("vllm", chat({"content": None, "reasoning_content": "O"}, True), ALONE, "_thinking"),
    "vLLM, new": ("vllm", chat({"content": None, "reasoning": "O"}, True), ALONE, "_thinking"),
    "llama.cpp": ("llama_cpp", chat({"reasoning_content": "O"}, True), ALONE, "_thinking"),
    "parts": ("bare", chat({"content": [{"type": "thinking", "thinking": []}]}), ALONE, EFFORT),
    "counted": ("bare", counted(chat({"content": ""})), ALONE, EFFORT),
    "aloud": ("bare", chat({"content": "<think>"}), "begins its answers with its rea", EFFORT),
}


@pytest.mark.parametrize("case", THINKING)
def test_a_model_that_thinks_first_is_named_with_what_switches_it_off(case):
    """Whether or not the likelihoods of the thought come with it: they are no score."""
    kind, answer, said, switch = THINKING[case]

    def think(request, handler):
        return (200, {}, answer) if request["path"] == "/v1/chat/completions" else None

    with serve(kind, hook=think) as server, pytest.raises(ValueError) as found:
        server.answer = lambda request, usual=server.answer: (
            usual(request) if request["method"] == "GET" else None
        )
        load(server).check(PROMPT)
    message = str(found.value)
    assert message.startswith(f"{MODEL} {said}") and "switch its thinking off with" in message
    assert switch in message and "\n" not in message


@pytest.mark.parametrize(
    ("path", "answer", "switch"),
    [
        (
            "/v1/responses",
            {"output": [{"type": "reasoning", "content": []}], "status": "incomplete"},
            '{"reasoning": {"effort": "none"}}',
        ),
        (
            "/api/chat",
            {"message": {"content": "", "thinking": "Okay"}, "done_reason": "length"},
            '{"think": false}',
        ),
    ],
)
def test_thoughts_in_the_other_dialects(path, answer, switch):
    def think(request, handler):
        return (200, {}, answer) if request["path"] == path else None

    kind = "lm_studio" if "responses" in path else "older_ollama"
    with serve(kind, hook=think) as server, pytest.raises(ValueError) as found:
        load(server).check(PROMPT)
    assert ALONE in str(found.value) and switch in str(found.value)


def test_a_thought_on_the_way_is_no_score(images):
    answer = chat({"content": "", "reasoning": "Yes"}, True)
    with serve() as server:
        scorer = connected(server)
        server.hook = lambda *_: (200, {}, answer)
        assert ALONE in error_of(scorer, images[:1])


def test_reasoning_before_an_answer_is_no_hindrance(images):
    with serve("lm_studio") as server:  # its answers have a reasoning item before the message
        assert close(score(connected(server), images[:1]), images[:1])


def test_yes_and_no_far_behind_a_thought_are_no_answer():
    see = lambda picture: [("<think>", 0.99), *likeliest(picture / 1e4)]  # noqa: E731
    with serve(see=see) as server, pytest.raises(ValueError, match="thinks before it answers") as e:
        load(server).check(PROMPT)
    message = str(e.value)
    assert "got '<think>' as its first token, expected yes or no" in message
    assert "_thinking" in message


def test_null_in_extra_removes_a_field():
    extra = '{"max_tokens": null, "max_completion_tokens": 16, "temperature": null}'
    with serve() as server:
        load(server, extra=extra).check(PROMPT)
        for asked in server.asked:
            assert not {"max_tokens", "temperature"} & set(asked["body"])
            assert asked["body"]["max_completion_tokens"] == 16
