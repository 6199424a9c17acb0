"""Settings as text, for one editor or for all that have them."""

import pytest

from frameweave.editors.registry import asked_of_each, check_acting_in_some, make, texts_for
from frameweave.errors import InputError

EDITORS = ["framewise", "tokenflow", "vidtome"]


def test_a_setting_is_meant_for_all_that_have_it_or_for_one() -> None:
    asked = asked_of_each(EDITORS, ["chunk_size=3", "vidtome.chunk_size=5", "keyframe_interval=2"])
    assert asked["framewise"] == {"chunk_size": 3}
    assert asked["tokenflow"] == {"chunk_size": 3, "keyframe_interval": 2}
    assert asked["vidtome"] == {"chunk_size": 5}
    assert asked_of_each(EDITORS, []) == {name: {} for name in EDITORS}


def test_text_and_value_are_one_setting() -> None:
    """So that `--set strength=0.50` finds the cells of `--set strength=0.5`."""
    assert asked_of_each(["framewise"], ["strength=0.50"]) == asked_of_each(["framewise"], ["strength=0.5"])
    assert asked_of_each(["tokenflow"], ["controlnet=true"])["tokenflow"] == {"controlnet": True}


def test_a_setting_that_does_nothing_in_any_is_told() -> None:
    def check(*texts: str) -> None:
        asked = asked_of_each(EDITORS, texts)
        check_acting_in_some({name: make(name, asked[name]) for name in EDITORS}, asked)

    check("controlnet_scale=2", "vidtome.variant=depth")
    check("tokenflow.start=0.3", "tokenflow.variant=sdedit")
    with pytest.raises(InputError, match="start acts with variant=sdedit only"):
        check("tokenflow.start=0.3")
    with pytest.raises(InputError, match="controlnet_scale acts with controlnet=true only"):
        check("tokenflow.controlnet_scale=2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chunk_size", "write it as name=value"),
        ("chunk_sise=3", "'chunk_sise'.*did you mean chunk_size"),
        ("framewise.keyframe_interval=3", "unknown setting of framewise 'keyframe_interval'"),
        ("tokenfow.chunk_size=3", "unknown editor 'tokenfow'.*did you mean tokenflow"),
        ("chunk_size=0", "chunk_size is 0, expected at least 1"),
        ("vidtome.chunk_size=many", "chunk_size is many, expected a whole number"),
    ],
)
def test_nonsense_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        asked_of_each(EDITORS, [text])


def test_what_is_meant_for_one_editor_stays_with_it() -> None:
    texts = ["chunk_size=3", "vidtome.chunk_size=5", "keyframe_interval=2"]
    assert texts_for("framewise", texts) == ("chunk_size=3",)
    assert texts_for("vidtome", texts) == ("chunk_size=3", "vidtome.chunk_size=5")
