"""The exception tree, and messages that name the place, the value and the fix."""

import inspect

import pytest

from dataset_builder import RecordError, errors


def test_tree_is_the_one_drawn() -> None:
    """The drawing in the module's docstring is the tree: every class under its base, and no other class."""
    drawn: list[tuple[int, str]] = []
    for line in inspect.getdoc(errors).splitlines():  # type: ignore[union-attr]
        words = line.replace("├──", " ").replace("└──", " ").replace("│", " ")
        if words.split() and words.split()[0] in errors.__all__ and words.startswith(" "):
            drawn.append((len(words) - len(words.lstrip()), words.split()[0]))
    parents: dict[str, str] = {}
    for i, (depth, name) in enumerate(drawn):
        parents[name] = next((other for d, other in reversed(drawn[:i]) if d < depth), "Exception")
    classes = {
        name: item for name, item in vars(errors).items() if inspect.isclass(item) and issubclass(item, Exception)
    }
    assert parents == {name: item.__bases__[0].__name__ for name, item in classes.items()}


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"file": "gt.json", "key": "cup.jpg", "index": 2, "field": "severity", "value": "110/100"},
         'gt.json: "cup.jpg"[2]: severity "110/100" is wrong'),
        ({"file": "gt.json", "key": "cup.jpg"}, 'gt.json: "cup.jpg": is wrong'),
        ({"file": "gt.json", "index": 0, "value": None}, "gt.json: [0]: None is wrong"),
        ({"field": "name"}, "name is wrong"),
        ({}, "is wrong"),
    ],
)  # fmt: skip
def test_record_error_names_what_is_known(parts: dict[str, object], message: str) -> None:
    """File, image, index, field and value stand in the message as far as they are known."""
    assert str(RecordError("is wrong", **parts)) == message  # type: ignore[arg-type]


LOOP: list[object] = []
LOOP.append(LOOP)


VALUES: dict[str, object] = {
    "long text": "x" * 10**7,
    "long bytes": b"x" * 10**6,
    "endless number": 10**5000,
    "nested lists": [[1] * 1000] * 1000,
    "a loop": LOOP,
    "an object": {"k": "v" * 1000},
    "terminal codes": "\x1b[2J\u202e\n\ud800\"'",
}


@pytest.mark.parametrize("kind", VALUES)
def test_any_value_is_shown_on_one_short_line(kind: str) -> None:
    """Huge, endless and hostile values are cut and escaped; nothing reaches the terminal that it would obey."""
    shown = errors.shorten(VALUES[kind])
    assert len(shown) <= 80
    assert shown.isprintable()
