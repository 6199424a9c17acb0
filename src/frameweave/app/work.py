"""The work of jobs: edits, comparisons and trainings. It brings torch, so the desk's worker imports it."""

from collections.abc import Callable
from pathlib import Path
from threading import Event

from frameweave.app.job import Asked
from frameweave.app.watched import Watched
from frameweave.editing.advice import check_prompts, what_is_said
from frameweave.editing.comparing.compare import compare
from frameweave.editing.edit import edit
from frameweave.editing.footage import Footage
from frameweave.editing.model_options import ModelOptions
from frameweave.editing.setup import editor_of, load_model
from frameweave.errors import InputError
from frameweave.models.loading.kept import Kept
from frameweave.models.stable_diffusion import StableDiffusion
from frameweave.runs.places import Numbered
from frameweave.training.personal_options import PersonalOptions
from frameweave.training.train import check_stages, train
from frameweave.video import probe


def place_of(asked: Asked, runs: Path) -> Numbered:
    """Where a job's run goes. Raises `InputError` for all that can be found out in milliseconds."""
    info, options = probe(asked.video), asked.options
    if isinstance(options, PersonalOptions):
        check_stages(options.stages, options)
        if not options.shows:
            raise InputError(
                "nothing says what the clip shows", hint="describe it, so that it can be learned"
            )
        return Numbered("personal", options.shows[0], runs)
    check_prompts(asked.prompts, options)
    Footage(info, options.frames, options.fps, options.start, options.end)
    if options.compare:
        if len(asked.prompts) != 1:
            raise InputError("a comparison takes one prompt", hint="compare them one by one")
    else:
        editor_of(options)
    return Numbered("edit", what_is_said(next(iter(asked.prompts)), options), runs)


class Work:
    """Does one job at a time; the model stays for the next one that wants the same."""

    def __init__(self) -> None:
        self._model = Kept()

    def do(
        self, asked: Asked, folder: Path, tell: Callable[..., None], stopping: Event, *, anew: bool
    ) -> None:
        """Work in a run folder; `anew` replaces what is in it, else it goes on.

        `tell` and `stopping` are those of `Watched`. Raises what the work raises, and `Cancelled` when it is
        to stop.
        """
        watched, options = Watched(tell, stopping), asked.options
        if isinstance(options, PersonalOptions):
            self._model.forget()  # a training has a model of its own
            train(options.stages, options.replaced(data=str(asked.video), out=folder), progress=watched)
            return
        options = options.replaced(out=folder, overwrite=anew, resume=True)

        def load(asked_for: ModelOptions) -> StableDiffusion:
            watched.begin("loading the model")
            return load_model(asked_for, self._model)

        if options.compare:
            compare(
                asked.video,
                asked.prompts[0],
                options,
                load=load,
                on_preview=watched.show,
                progress=watched,
            )
        else:
            edit(asked.video, asked.prompts, options, load=load, on_preview=watched.show, progress=watched)
