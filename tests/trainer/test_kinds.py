"""Kinds of anomalies: on scenes, whose families have a known kind, on texts as people and models write them, and with an
encoder."""

from collections.abc import Sequence

import numpy as np
import pytest

from dataset_builder.scenes import FAMILIES
from metric_semap.anomalies import Anomaly
from trainer.evaluation.kind_encoder import sentence_encoder
from trainer.evaluation.kinds import KINDS, by_kind, kind_of, kinds_of

OF_FAMILY = {
    "floating": "gravity and support",
    "shadow": "light and shadow",
    "clock": "parts and joints",
    "extra_arm": "anatomy",
    "mirror": "reflection",
    "handle": "parts and joints",
    "giant": "scale",
    "sunk": "interaction",
    "upside_down": "gravity and support",
    "wrong_colour": "identity of objects",
}
WRITTEN = [
    ("Six fingers on the left hand", "The hand on the rail has six fingers.", "anatomy"),
    ("Fused toes", "Two toes of the child merge into one.", "anatomy"),
    ("Elbow bends backwards", "The arm folds against the joint.", "anatomy"),
    ("Levitating teapot", "There is a gap between the teapot and the tray.", "gravity and support"),
    ("Unsupported balcony", "Nothing carries the balcony.", "gravity and support"),
    ("Missing shadow", "The bench casts no shadow on the lawn.", "light and shadow"),
    ("Two suns' worth of lighting", "Faces are lit from opposite sides.", "light and shadow"),
    ("Mirror shows an empty room", "The woman is not in the mirror.", "reflection"),
    ("Puddle without a reflection", "The lamp above the puddle is not in it.", "reflection"),
    ("Oversized apple", "The apple is as large as the boy's head.", "scale"),
    ("Wrong perspective of the tiles", "The rows of tiles do not run together.", "scale"),
    ("Bicycle wheel without spokes", "The front wheel has a rim and nothing inside.", "parts and joints"),
    ("Staircase leads nowhere", "The last step ends at a wall.", "parts and joints"),
    ("Garbled shop sign", "The letters above the door form no word.", "text and symbols"),
    ("Illegible newspaper", "The headline is made of shapes that are no letters.", "text and symbols"),
    ("Dog morphs into a cushion", "The hind legs turn into fabric.", "identity of objects"),
    ("Blue banana", "The fruit has a colour that no banana has.", "identity of objects"),
    ("Strap passes through the coat", "The bag's strap penetrates the fabric.", "interaction"),
    ("Hand grips nothing", "The fingers close beside the handle.", "interaction"),
    ("Plastic look", "Everything is too smooth.", "other"),
]


def test_kinds_of_scenes_are_those_of_their_families() -> None:
    """Every name and phenomenon of a family, 100 %; by the phenomenon alone, where a name says nothing, most."""
    told = [
        (OF_FAMILY[key], name, phenomenon.format(object="red cup"))
        for key, family in FAMILIES.items()
        if key in OF_FAMILY
        for name in family.names
        for phenomenon in family.phenomena
    ]
    assert len(told) >= 40
    assert [kind_of(name, phenomenon) for _, name, phenomenon in told] == [kind for kind, _, _ in told]
    assert np.mean([kind_of("Anomaly", phenomenon) == kind for kind, _, phenomenon in told]) >= 0.6


def test_kinds_of_texts_as_they_are_written() -> None:
    """At least nine of ten, of every kind at least one."""
    right = [kind_of(name, phenomenon) == kind for name, phenomenon, kind in WRITTEN]
    assert np.mean(right) >= 0.9
    assert {kind for (_, _, kind), ok in zip(WRITTEN, right, strict=True) if ok} == set(KINDS)


@pytest.mark.parametrize(
    ("name", "phenomenon", "kind"),
    [
        (
            "Inconsistent lighting on the face",
            "The left cheek is brighter.",
            "light and shadow",
        ),  # the face is where, not what
        ("Texture of the bread", "It looks like plastic.", "other"),  # no text
        ("Hand interaction", "The hands do not touch.", "interaction"),
        ("", "", "other"),
    ],
)
def test_words_that_mislead(name: str, phenomenon: str, kind: str) -> None:
    assert kind_of(name, phenomenon) == kind


def test_the_offline_encoder_decides_what_words_do_not() -> None:
    """Two texts without any word of the rule; a matter of style stays `other`."""
    listed = [
        Anomaly("Noon without dark patches", "The sun is overhead and no dark patch lies under the trees.", ""),
        Anomaly("Menu of nonsense", "The printed characters are scribbles.", ""),
        Anomaly("Painterly style", "The brush strokes are visible.", ""),
    ]
    assert kinds_of(listed) == ["other"] * 3
    assert kinds_of(listed, sentence_encoder()) == ["light and shadow", "text and symbols", "other"]


def test_an_encoder_decides_what_the_rule_does_not_know() -> None:
    """What is near a description is of its kind, what is near none stays `other`; what the rule knows is not asked about."""
    asked: list[str] = []

    def encode(texts: Sequence[str]) -> np.ndarray:
        asked.extend(texts)
        near = np.eye(10)
        if len(texts) == 9:
            return near[:9]
        return np.stack([near[0] if "growth-like" in text else near[9] for text in texts])

    listed = [
        Anomaly("Odd", "growth-like growth", ""),
        Anomaly("Odd", "plain", ""),
        Anomaly("Third arm", "It has three.", ""),
    ]
    assert kinds_of(listed, encode) == ["anatomy", "other", "anatomy"]
    assert not any("Third arm" in text for text in asked)
    assert by_kind(listed) == {"other": 2, "anatomy": 1}
