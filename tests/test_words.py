"""How the pack speaks: names say what a thing is, sentences are short, arguments are listed."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("nodes", "rewards", "samplers", "demo", "tools", "benchmarks")
NOT_NAMES = set("own found told asked seen given known wanted every one other others".split())
DIALECT = re.compile(r"\b(given|wanted)\b")
TEXT, DOCSTRING = 20, 25  # words of a sentence
# What their authors ask the models.
VERBATIM = {"edit_reward_prompt.py", "hps_v3_prompt.py", "mps.py", "video_reward_prompt.py"}
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def sources(room):
    files = sorted((ROOT / room).rglob("*.py"))
    assert files
    return [(path, ast.parse(path.read_text("utf-8"))) for path in files]


def names(tree):
    """Every name that a file gives to something, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id if isinstance(node, ast.Name) else node.attr
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            yield node.lineno, node.name


def docstring(node):
    """The constant that is the docstring of a module, class or function."""
    first = node.body[0] if node.body else None
    return first.value if isinstance(first, ast.Expr) and ast.get_docstring(node) else None


def documented(tree):
    kinds = (ast.Module, ast.ClassDef, *FUNCTIONS)
    return [node for node in ast.walk(tree) if isinstance(node, kinds) and docstring(node)]


def texts(tree):
    """(line, text) of each string with several words that is no docstring; fields are X."""
    docstrings, nodes = {docstring(node) for node in documented(tree)}, list(ast.walk(tree))
    joined = [node for node in nodes if isinstance(node, ast.JoinedStr)]
    parts = {part for node in joined for part in node.values}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if node not in docstrings | parts:
                yield node.lineno, node.value
        elif isinstance(node, ast.JoinedStr):
            yield (
                node.lineno,
                "".join(
                    part.value if isinstance(part, ast.Constant) else "X" for part in node.values
                ),
            )


def too_long(text, most):
    """Sentences of more than so many words; what has no full stop is data."""
    parts = re.split(r"(?<=[.!?:;])\s+", re.sub(r"\s+", " ", text))
    sentences = [part for part in parts if part.endswith((".", "!", "?", ":", ";"))]
    return [s for s in sentences if len(re.findall(r"\S*[A-Za-z]\S*", s)) > most]


def prose(text):
    """The paragraphs of a docstring that are sentences: no tables, formulas or lists."""
    for paragraph in re.split(r"\n\s*\n", text):
        lines = paragraph.split("\n")
        sections = [x for x in lines if re.match(r"\s*(Args|Returns|Raises|Attributes):", x)]
        if not sections and not any(line.startswith((" ", "|", "-")) for line in lines[1:]):
            yield " ".join(lines)


def fields(node):
    """What a class takes: the arguments of its __init__, or its fields that have no tooltip."""
    for part in node.body:
        if isinstance(part, ast.FunctionDef) and part.name == "__init__":
            return [*part.args.args[1:], *part.args.kwonlyargs]
    return [
        part
        for part in node.body
        if isinstance(part, ast.AnnAssign)
        and isinstance(part.target, ast.Name)
        and not part.target.id.startswith("_")
        and "ClassVar" not in ast.unparse(part.annotation)
        and not (isinstance(part.value, ast.Call) and explained(part.value))
    ]


def explained(call):
    """Whether the call that makes a field has a sentence for its tooltip, or keeps it inside."""
    strings = [node.value for node in ast.walk(call) if isinstance(node, ast.Constant)]
    return any(isinstance(text, str) and " " in text for text in strings) or any(
        keyword.arg in ("metadata", "init") for keyword in call.keywords
    )


def callables(body, inside=False):
    """(node, what it takes) of the public functions, methods and classes of a file."""
    for node in body:
        if node.__class__ not in (ast.ClassDef, *FUNCTIONS) or node.name.startswith("_"):
            continue
        if isinstance(node, ast.ClassDef):
            yield node, fields(node)
            if "ComfyNode" not in map(ast.unparse, node.bases) and "io.ComfyNode" not in map(
                ast.unparse, node.bases
            ):
                yield from callables(node.body, inside=True)
        else:
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            static = any(ast.unparse(d) == "staticmethod" for d in node.decorator_list)
            yield node, arguments[1:] if inside and not static else arguments


@pytest.mark.parametrize("room", ROOMS)
def test_names_say_what_a_thing_is(room):
    """No bare participle or pronoun."""
    assert not [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path, tree in sources(room)
        for line, name in names(tree)
        if name.strip("_") in NOT_NAMES
    ]


@pytest.mark.parametrize("room", ROOMS)
def test_errors_say_what_was_got_and_what_was_expected(room):
    assert not [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for path, tree in sources(room)
        if path.name != "edit_reward_prompt.py"  # its authors ask about "the given text"
        for line, text in texts(tree)
        if " " in text and DIALECT.search(text)
    ]


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "benchmarks"])
def test_texts_have_short_sentences(room):
    """Tooltips, errors, logs and notes; those of benchmarks make the pages of docs/."""
    assert not [
        f"{path.relative_to(ROOT)}:{line}: {sentence}"
        for path, tree in sources(room)
        if path.name not in VERBATIM
        for line, text in texts(tree)
        for sentence in too_long(text, TEXT)
    ]


@pytest.mark.parametrize("room", ROOMS)
def test_docstrings_have_short_sentences(room):
    assert not [
        f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}: {sentence}"
        for path, tree in sources(room)
        for node in documented(tree)
        for paragraph in prose(ast.get_docstring(node))
        for sentence in too_long(paragraph, DOCSTRING)
    ]


@pytest.mark.parametrize("room", ROOMS)
def test_public_arguments_are_listed(room):
    """From the third on, in a section `Args:`."""
    assert not [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.name}"
        for path, tree in sources(room)
        for node, takes in callables(tree.body)
        if len(takes) > 2 and "Args:" not in _documentation(node)
    ]


def _documentation(node):
    """Its docstring, and that of a class's __init__."""
    inner = [part for part in node.body if getattr(part, "name", "") == "__init__"]
    return "".join(ast.get_docstring(part) or "" for part in (node, *inner))
