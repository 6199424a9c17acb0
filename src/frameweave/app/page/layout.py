"""Where everything stands on the page. What happens when it is used stands in the files named events."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

import gradio as gr

from frameweave.app.options import AppOptions
from frameweave.app.page import pieces
from frameweave.app.page.building import Building, prompt_box, quiet
from frameweave.app.page.clip import samples
from frameweave.app.page.form import Form
from frameweave.app.pictures import Shown
from frameweave.app.uploads import Uploads
from frameweave.training.personal_options import PersonalOptions
from frameweave.video.pages import rendered
from frameweave.video.reading import VIDEOS
from frameweave.video.timeline import MAX_FRAMES

_SECRET = "frameweave"
"""With a fixed one the browser's memory outlives the server. It holds names only, which the server checks."""
_EVERY = 0.5  # seconds between looks at the job
_CLICKS = """
element.addEventListener('click', (event) => {
  const known = ['show', 'load', 'sample', 'adaptor', 'unmask'].map((name) => `[data-${name}]`).join();
  const button = event.target.closest(known);
  if (button) trigger('click', { ...button.dataset });
  if (button?.dataset.show) document.getElementById('fw-status').scrollIntoView({ block: 'nearest' });
});
element.addEventListener('painted', (event) => trigger('click', event.detail));
"""
_COMES_INTO_VIEW = """
let before = element.querySelector('[data-state]')?.dataset.state;
new MutationObserver(() => {
  const state = element.querySelector('[data-state]')?.dataset.state;
  const begun = state !== before && (state === 'waiting' || (state === 'running' && before !== 'waiting'));
  before = state;
  if (begun || element.querySelector('[role=alert]')) element.scrollIntoView({ block: 'center' });
}).observe(element, { childList: true, subtree: true });
"""
"""Of problems, and of a job that begins: what was pressed may be far from where it is told."""


@dataclass(frozen=True)
class Training:
    """The form of a personal adaptor."""

    shows: gr.Textbox
    steps: gr.Number
    rank: gr.Number
    start: gr.Button


@dataclass(frozen=True)
class Page:
    """All that is used or shown."""

    form: Form
    training: Training
    file: gr.File
    samples: gr.HTML
    facts: gr.HTML
    limits: gr.HTML
    part: gr.Column
    """The range and the mask, which a clip must be there for."""
    problem: gr.HTML
    edit: gr.Button
    estimate: gr.Button
    paint: gr.Button
    mask: gr.HTML
    mask_file: gr.File
    kept: gr.HTML
    """The number of the last stroke that was kept; it is not seen."""
    anchor_file: gr.File
    status: gr.HTML
    result: gr.HTML
    stop: gr.Button
    go_on: gr.Button
    history: gr.HTML
    clip: gr.BrowserState
    """The name of the clip among the uploads; the browser keeps it."""
    painted: gr.BrowserState
    """The name of the mask among the uploads."""
    job: gr.BrowserState
    """The id of the job that this tab shows."""
    seen: gr.State
    """What this tab was sent, by which nothing is sent twice."""
    timer: gr.Timer


def _html(value: str = "", name: str = "", script: str = _CLICKS) -> gr.HTML:
    return gr.HTML(value, js_on_load=script, apply_default_css=False, padding=False, elem_id=name or None)


def laid_out(
    options: AppOptions, shown: Shown, uploads: Uploads, adaptors: Sequence[tuple[str, str]]
) -> Page:
    """Build the page in the `gr.Blocks` that is open."""
    clip = gr.BrowserState(None, storage_key="frameweave-clip", secret=_SECRET)
    painted = gr.BrowserState(None, storage_key="frameweave-mask", secret=_SECRET)
    job = gr.BrowserState(None, storage_key="frameweave-job", secret=_SECRET)
    building = Building(options, adaptors, uploads)
    gr.HTML(rendered("frameweave.app.page", "head.html"), apply_default_css=False, padding=False)
    with gr.Row(elem_classes="fw-columns"):
        with gr.Column(scale=9, min_width=320, elem_classes="fw-left"):
            with gr.Column(elem_classes="fw-part fw-part-clip"):
                file = gr.File(
                    label="Clip",
                    file_types=[*VIDEOS, ".webp"],  # Gradio's "video" lacks some
                    height=120,
                    elem_id="fw-clip-file",
                    elem_classes="fw-drop",
                )
                samples_ = _html(_samples(shown), "fw-samples")
                facts = _html(name="fw-facts")
            with gr.Column(elem_classes="fw-part fw-part-prompt"):
                prompt = prompt_box()
                problem = _html(name="fw-problem", script=_COMES_INTO_VIEW)
                with gr.Row(elem_classes="fw-go", equal_height=True):
                    edit = gr.Button("Edit", variant="primary", scale=1, min_width=120, elem_id="fw-edit")
                    estimate = gr.Button(
                        "Estimate time and memory",
                        scale=1,
                        min_width=120,
                        elem_id="fw-estimate",
                    )
            with gr.Column(elem_classes="fw-part fw-part-settings"):
                editor, editors = building.editor()
                with gr.Accordion("More prompts", open=False):
                    more = building.prompts()
                with gr.Accordion("Model, adaptor and sampler", open=False):
                    adaptor, sampler = building.model()
                with gr.Accordion("LoRAs, ControlNets, steadier results", open=False):
                    building.extras()
                with gr.Accordion("Part of the clip: range and mask", open=False):
                    limits = _html(pieces.limits(None, ()), "fw-limits")
                    with gr.Column(visible=False) as part:
                        with gr.Row():
                            first = gr.Slider(1, MAX_FRAMES, 1, step=1, label="First frame", min_width=160)
                            last = gr.Slider(1, MAX_FRAMES, 1, step=1, label="Last frame", min_width=160)
                        paint = gr.Button("Paint a mask on the first frame")
                        mask = _html(name="fw-mask")
                        mask_file = gr.File(
                            label="Or a mask file: white where to edit",
                            file_types=["image", "video"],
                            height=120,
                            elem_classes="fw-drop",
                        )
                with gr.Accordion("Frames that you have edited", open=False):
                    anchor_file = building.anchors()
                with gr.Accordion("Train an adaptor on this clip", open=False):
                    training = _training()
        with gr.Column(scale=11, min_width=320, elem_classes="fw-right"):
            with gr.Column(elem_classes="fw-part fw-part-status"):
                status = _html(pieces.status(None), "fw-status", _COMES_INTO_VIEW)
                with gr.Row():
                    stop = gr.Button("Stop", visible=False, min_width=120, elem_id="fw-stop")
                    go_on = gr.Button("Go on", visible=False, min_width=120, elem_id="fw-go-on")
            with gr.Column(elem_classes="fw-part fw-part-result"):
                result = _html(name="fw-result")
            with gr.Column(elem_classes="fw-part fw-part-history"):
                gr.HTML("<h2>Earlier runs</h2>", apply_default_css=False, padding=False)
                history = _html(pieces.history((), None), "fw-history")
    return Page(
        form=Form(prompt, more, editor, sampler, adaptor, editors, building.plain, first, last),
        training=training,
        file=file,
        samples=samples_,
        facts=facts,
        limits=limits,
        part=part,
        problem=problem,
        edit=edit,
        estimate=estimate,
        paint=paint,
        mask=mask,
        mask_file=mask_file,
        kept=_html(name="fw-kept"),
        anchor_file=anchor_file,
        status=status,
        result=result,
        stop=stop,
        go_on=go_on,
        history=history,
        clip=clip,
        painted=painted,
        job=job,
        seen=gr.State(None),
        timer=gr.Timer(_EVERY),
    )


def _training() -> Training:
    usual = PersonalOptions.model_fields
    quiet(
        "For things that the model does not know. It learns from the frames of the clip and stops when it no "
        "longer gets better."
    )
    shows = gr.Textbox(
        label="What the clip shows", info="As in a prompt, with a word of your own for what is new.",
        placeholder="a red gizmo on the grass",
    )  # fmt: skip
    with gr.Row():
        steps = gr.Number(usual["steps"].default, label="Steps at most", precision=0, min_width=160)
        rank = gr.Number(usual["rank"].default, label="Rank", precision=0, min_width=160)
    return Training(shows, steps, rank, gr.Button("Train"))


def _samples(shown: Shown) -> str:
    cards = [
        {"caption": one.caption, "picture": b64encode(shown.poster(one.path).read_bytes()).decode()}
        for one in samples()
    ]
    return rendered("frameweave.app.page", "samples.html", samples=cards)
