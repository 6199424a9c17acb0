"""The form without a browser: what its controls ask for, and how an earlier run fills them."""

import asyncio
import json
from base64 import b64encode
from dataclasses import replace
from fractions import Fraction
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

if find_spec("gradio") is None:
    pytest.skip("no Gradio on this machine", allow_module_level=True)

import gradio as gr

from frameweave.app.job import Asked, JobView
from frameweave.app.options import AppOptions
from frameweave.app.page import pieces
from frameweave.app.page.adaptors import adaptor_choices
from frameweave.app.page.building import Building, prompt_box
from frameweave.app.page.clip import Sample, samples
from frameweave.app.page.form import Form
from frameweave.app.page.given import png_in, with_more
from frameweave.app.uploads import Uploads
from frameweave.editing.listed import Setting, listed, settings_of
from frameweave.editing.options import EditOptions
from frameweave.errors import InputError

EIGHTHS = tuple(Fraction(number, 8) for number in range(24))
VIDEO = Path("clip.mp4")


@pytest.fixture(scope="module")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Uploads:
    return Uploads(tmp_path_factory.mktemp("uploads"), 10**6)


@pytest.fixture(scope="module")
def form(uploads: Uploads) -> Form:
    async def built() -> Form:
        with gr.Blocks(analytics_enabled=False):
            adaptors = adaptor_choices([Path("runs/personal-0001/adaptor")])
            building = Building(AppOptions(), adaptors, uploads)
            prompt = prompt_box()
            editor, editors = building.editor()
            more = building.prompts()
            adaptor, sampler = building.model()
            building.extras()
            building.anchors()
            ends = gr.Slider(1, 24, 1, step=1), gr.Slider(1, 24, 24, step=1)
        return Form(prompt, more, editor, sampler, adaptor, editors, building.plain, *ends)

    return asyncio.run(built())  # without a loop that runs Gradio makes some and closes none


FEW = ("anchored", "delta", "flatten", "framewise", "shuffled")
"""Editors that take few steps with the Miniature."""


def untouched(form: Form) -> dict[Any, Any]:
    """What the controls hold at first; the browser gives None for a text that was never touched."""
    return {one: one.value or None for one in form.components}


def test_untouched_controls_ask_for_nothing(form: Form) -> None:
    """Not for the steps that they show either: in a comparison those would be every editor's."""
    for name in form.editors:
        values = untouched(form) | {form.editor: name}
        assert form.options(values, EIGHTHS, None) == EditOptions(editor=name)
        shown = values[form.editors[name].controls["steps"].component]
        assert shown == (10 if name in FEW else 25)
    compared = untouched(form) | {form.field("compare"): True}
    assert form.options(compared, EIGHTHS, None) == EditOptions(compare=True)


def test_steps_are_those_that_are_seen_whatever_the_model(form: Form) -> None:
    steps = form.editors["delta"].controls["steps"].component
    for seen, asked in ((10, 10), (25, None)):  # the Miniature's and the editor's own
        values = untouched(form) | {steps: seen, form.field("model"): "other"}
        assert form.options(values, EIGHTHS, None).steps == asked
        assert form.options(values, EIGHTHS, None).steps_for("delta", 25) == seen
    assert form.options(untouched(form) | {steps: None}, EIGHTHS, None).steps is None
    assert form.editors["delta"].shown(EditOptions())[steps] == 10
    assert form.editors["delta"].shown(EditOptions(model="other"))[steps] == 25


def test_every_setting_of_every_editor_has_a_control(form: Form) -> None:
    for one in listed():
        assert list(form.editors[one.editor].controls) == list(one.names)


def test_a_setting_that_is_changed_is_asked_for(form: Form) -> None:
    controls = form.editors["tokenflow"].controls
    values = untouched(form) | {
        form.editor: "tokenflow",
        controls["steps"].component: 10.0,
        controls["guidance"].component: 3.5,
        controls["keyframe_interval"].component: 4,
        controls["variant"].component: "sdedit",
        controls["as_published"].component: True,
        form.field("lora"): "a.safetensors@0.5\n\n b.safetensors ",
        form.field("steady"): 0.5,
        form.field("seed"): 7,
    }
    asked = form.options(values, EIGHTHS, None)
    assert (asked.steps, asked.guidance, asked.as_published, asked.seed) == (10, 3.5, True, 7)
    assert asked.set == ("variant=sdedit", "keyframe_interval=4")
    assert (asked.lora, asked.steady) == (("a.safetensors@0.5", "b.safetensors"), 0.5)


@pytest.mark.parametrize(
    ("first", "last", "start", "end"),
    [(1, 24, None, None), (1, 2, None, 0.25), (3, 24, 0.25, None), (4, 4, 0.375, 0.5)],
)
def test_the_range_is_told_in_seconds(
    form: Form, first: int, last: int, start: float | None, end: float | None
) -> None:
    asked = form.options(untouched(form) | {form.first: first, form.last: last}, EIGHTHS, None)
    assert (asked.start, asked.end) == (start, end)


def test_a_range_that_ends_before_it_begins_is_refused(form: Form) -> None:
    with pytest.raises(InputError, match="from frame 5 to frame 4"):
        form.options(untouched(form) | {form.first: 5, form.last: 4}, EIGHTHS, None)


@settings(deadline=None, max_examples=30)
@given(
    first=st.integers(1, 24),
    length=st.integers(1, 24),
    rate=st.fractions(min_value=1, max_value=120),
    editor=st.sampled_from([one.editor for one in listed()]),
    steps=st.integers(1, 99),
    prompts=st.lists(st.text("abc üß", min_size=1).map(str.strip).filter(bool), min_size=1, max_size=3),
)
def test_an_earlier_edit_fills_the_form_so_that_it_asks_for_the_same(
    form: Form, first: int, length: int, rate: Fraction, editor: str, steps: int, prompts: list[str]
) -> None:
    times = tuple(number / rate for number in range(24))
    values = untouched(form) | {
        form.editor: editor,
        form.editors[editor].controls["steps"].component: steps,
        form.prompt: prompts[0],
        form.more: "\n".join(prompts[1:]),
        form.first: first,
        form.last: min(24, first + length - 1),
        form.field("control"): "depth=x\ncanny=y@0.5",
        form.field("adaptor"): "miniature",
        form.field("adaptor_strength"): "0.75",
    }
    options = form.options(values, times, None)
    again = form.shown(Asked(VIDEO, tuple(form.prompts(values)), options), times)
    assert set(again) == set(form.components)
    assert form.options(again, times, None) == options
    assert form.prompts(again) == prompts


def test_decimals_of_an_earlier_edit_are_shown(form: Form) -> None:
    asked = Asked(Path("a.mp4"), ("a car",), EditOptions(editor="delta", set=("delta.start_sigma=0.55",)))
    shown = form.shown(asked, EIGHTHS)
    assert shown[form.editors["delta"].controls["start_sigma"].component] == 0.55
    assert form.left_out(asked, EIGHTHS) == []


def test_what_the_form_cannot_hold_is_named(form: Form) -> None:
    options = EditOptions(editor="delta", clip_skip=2, crf=30, audio=False, frames=4)
    left = form.left_out(Asked(Path("a.mp4"), ("a car",), options), EIGHTHS)
    assert left == ["audio", "clip_skip", "crf", "frames"]
    ranged = EditOptions(editor="delta", start=0.1, end=0.6)
    assert form.left_out(Asked(Path("a.mp4"), ("a car",), ranged), EIGHTHS) == []
    compared = EditOptions(compare=True, set=("delta.radius=1",))
    asked = Asked(Path("a.mp4"), ("a car",), compared)
    assert form.left_out(asked, EIGHTHS) == ["set"]  # of one editor of a comparison
    assert form.shown(asked, EIGHTHS)[form.editors["delta"].controls["radius"].component] == 2


def test_untouched_steps_follow_the_model_and_the_published_program(form: Form) -> None:
    controls = form.editors["shuffled"]
    steps, published = (controls.controls[name].component for name in ("steps", "as_published"))
    values = untouched(form)
    assert controls.renewed(values, "other") == {steps: 25}
    assert controls.renewed(values | {published: True}, "miniature") == {steps: 25}
    assert controls.renewed(values | {steps: 25}, "miniature") == {steps: 10}
    assert controls.renewed(values, "miniature") == controls.renewed(values | {steps: 7}, "other") == {}


def test_a_strength_without_an_adaptor_is_no_secret(form: Form) -> None:
    strength = form.field("adaptor_strength")
    compared = untouched(form) | {strength: "1.5", form.field("compare"): True}
    assert form.options(compared, EIGHTHS, None).adaptor_strength == 1.5  # of the packaged one
    with pytest.raises(InputError, match="adaptor_strength"):
        form.options(untouched(form) | {strength: "nonsense"}, EIGHTHS, None)


def test_edited_frames_are_lines_of_numbers_and_pictures(
    form: Form, uploads: Uploads, tmp_path: Path
) -> None:
    """The form counts frames from 1, as its range does; the command line from 0."""
    names: list[str] = []
    for name in ("red.png", "blue.png"):
        Image.new("RGB", (8, 8), name[:-4]).save(tmp_path / name)
        names.append(uploads.keep(tmp_path / name, name).path.name)
    lines = with_more(f"2: {names[0]}", [names[1], names[0]])
    assert lines == f"2: {names[0]}\n1: {names[1]}\n3: {names[0]}"
    values = untouched(form) | {form.field("anchor"): lines}
    options = form.options(values, EIGHTHS, None)
    paths = [uploads.known(name).path for name in names]
    assert options.anchor == (f"1={paths[0]}", f"0={paths[1]}", f"2={paths[0]}")
    again = form.shown(Asked(VIDEO, ("a",), options), EIGHTHS)
    assert again[form.field("anchor")] == lines


@pytest.mark.parametrize("line", ["red.png", "0: red.png", "first: red.png", "1:", "1: ../red.png"])
def test_a_line_that_is_no_edited_frame_is_told(form: Form, line: str) -> None:
    with pytest.raises(InputError):
        form.options(untouched(form) | {form.field("anchor"): line}, EIGHTHS, None)


def test_a_long_prompt_is_refused(form: Form) -> None:
    with pytest.raises(InputError, match="2001 letters"):
        form.prompts(untouched(form) | {form.prompt: "a" * 2001})


def test_settings_are_read_as_the_command_line_reads_them() -> None:
    motion = Setting(type="array", default=[12, 0])
    assert motion.asked("12, 0") is None and motion.asked("8,-2") == "8,-2"
    assert Setting(type="number", default=0.01).asked(0.01) is None
    for one in listed():
        for name, setting in settings_of(one).items():
            assert setting.shown(setting.text(setting.usual)) == setting.usual, name


def test_samples_say_what_they_show() -> None:
    first, *others = samples()
    assert first == Sample(first.path, "a blue car in the snow") and first.path.is_file()
    assert "an orange duck on the sand" in [one.caption for one in others]


def test_only_a_png_is_taken_for_a_mask() -> None:
    png = BytesIO()
    Image.new("L", (4, 4), 255).save(png, "PNG")
    address = "data:image/png;base64," + b64encode(png.getvalue()).decode()
    assert png_in(address) == png.getvalue()
    for wrong in ("", "data:image/svg+xml;base64,AAAA", "data:image/png;base64,!"):
        with pytest.raises(InputError, match="no PNG"):
            png_in(wrong)


def view(state: Any, **more: Any) -> JobView:
    asked = Asked(VIDEO, ("<b>red</b> & ${car} `{{x}}`",), EditOptions(steps=2))
    return JobView(id="edit-0001", version=1, state=state, asked=asked, when=0.0, **more)


def test_whatever_a_person_wrote_is_shown_as_text() -> None:
    evil = "<img src=x onerror=alert(1)>"
    failed = view("failed", message=evil, hint=evil, notes=(evil,))
    done = view("done", results=(Path("edited.mp4"),), seconds=75.0)
    html = pieces.status(failed) + pieces.result(done, ()) + pieces.history((failed, done), None)
    html += pieces.problem(InputError(evil, hint=evil))
    assert "<img src=x" not in html and "<b>red" not in html
    assert "&lt;b&gt;red&lt;/b&gt; &amp; ${car}" in html


def test_the_wipe_shows_the_source_the_results_and_earlier_ones() -> None:
    done = view("done", results=(Path("edited.mp4"),), seconds=75.0)
    other = JobView(
        id="edit-0002", version=1, state="done", when=0.0, results=(Path("a.mp4"), Path("b.mp4")),
        asked=Asked(VIDEO, ("one", "two"), EditOptions()),
    )  # fmt: skip
    elsewhere = replace(other, id="edit-0003", asked=Asked(Path("b.mp4"), ("three",), EditOptions()))
    html = pieces.result(done, (other, done, elsewhere))
    held = html.split('data-videos="')[1].split('"')[0].replace("&#34;", '"')
    titles = [one["title"] for one in json.loads(held)]
    assert titles[:2] == ["source", "<b>red</b> & ${car} `{{x}}`"]
    assert [title.split(" (")[0] for title in titles[2:]] == ["one", "two"]  # of the same clip
    assert "Done in 1 min 15 s" in pieces.status(done)


def test_a_result_may_be_called_source() -> None:
    """A comparison has a panel of its source by that name, which is left out; an edit may be called so."""
    for compared in (False, True):
        asked = Asked(VIDEO, ("source",), EditOptions(compare=compared))
        made = JobView(
            id="edit-0003", version=1, state="done", when=0.0, asked=asked,
            results=(Path("source.mp4"), Path("framewise.mp4")),
        )  # fmt: skip
        html = pieces.result(made, ()).replace("&#34;", '"')
        assert ('/results/0?form=player"' in html) == (not compared)
        assert '/results/1?form=player"' in html


def test_states_are_told_in_words() -> None:
    assert "Waiting: 2 before this one" in pieces.status(view("waiting", before=2))
    assert "Loading the model" in pieces.status(view("running"))
    assert "Stopped after 3 s" in pieces.status(view("cancelled", seconds=3.0))
    assert "Not finished" in pieces.status(view("unfinished"))
    cards = pieces.history((view("cancelled"), view("unfinished"), view("failed")), None)
    assert [word in cards for word in ("· stopped ·", "· not finished ·", "· failed ·")] == [True] * 3
    assert "Take a clip" in pieces.status(None)
