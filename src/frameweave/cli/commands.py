"""The table of commands. The command line, `rerun` and the reference page are made from it.

A new command is a row here, its settings in the room's `options.py`, and a library function. Nothing is
imported before a command is called, so `--help` answers at once. It is one long file because it is one table.
"""

from frameweave.cli.command import Command, Input

EDIT, ADAPTOR, MEASURE, STUDY = "Edit videos", "Train and use an adaptor", "Measure", "Ask people"
DATA, MINIATURE, OTHER = "Prepare training data", "The packaged model", "Runs and installation"
HEADINGS = (EDIT, ADAPTOR, MEASURE, STUDY, DATA, MINIATURE, OTHER)
"""Under which `--help` lists the commands, in this order."""

GATHERED = {
    "train": (
        ADAPTOR,
        "Train an adaptor. The same command goes on where an earlier run stopped.",
        "train personal clip.mp4 --shows 'a red gizmo on the grass'",
    ),
    "plan": (
        OTHER,
        "Estimate the memory and time of an edit or a training before it is started.",
        "plan edit clip.mp4 'a blue car in the snow'",
    ),
    "data": (DATA, "Prepare videos with captions for training.", "data prepare my-videos --out shards"),
    "study": (
        STUDY,
        "Run a user study: which of two edits do people prefer?",
        "study new runs/grid --out runs/study",
    ),
    "miniature": (
        MINIATURE,
        "Train, score and look at the packaged model.",
        "miniature world --clips 5 --out runs/world",
    ),
}
"""Commands that only gather others: their heading, what they do, an example."""

_TABLE_OF_VIDEOS = Input(
    name="table",
    help="A csv or jsonl file with the columns video and prompt, and optionally name, source_prompt, "
    "negative_prompt and truth; default: the Miniature's generated clips of --clip-set.",
    default=None,
)
_PREPARED = Input(name="folder", help="A data set: the folder that `frameweave data prepare` wrote.")
_SOURCE = (
    "The videos: MSR-VTT's folder, a folder of videos, a csv, tsv, jsonl or parquet table, or tar files."
)
_TRAIN = "frameweave.training.options:TrainOptions"
_ADAPTOR = Input(
    name="adaptor",
    kind=str,
    help="The adaptor: a packaged one (miniature or strangers), or a folder that `frameweave train` wrote.",
)
_OF_STAGES = {
    "steps": "lora",
    "learning_rate": "lora",
    "tokens_steps": "tokens",
    "tokens_learning_rate": "tokens",
    "depth_steps": "depth",
    "depth_learning_rate": "depth",
}


def _stage(name: str, what: str, example: str) -> Command:
    """`train` with one stage alone: --steps and --learning-rate are that stage's."""
    own = ("steps", "learning_rate")
    return Command(
        name=f"train {name}",
        group=ADAPTOR,
        help=f"{what}\n\n--steps and --learning-rate apply to this stage.",
        example=f"train {name} {example}",
        options=_TRAIN,
        work="frameweave.cli.works:train",
        result="trained",
        fixed={"stages": (name,)},
        short={} if name == "lora" else {setting: f"{name}_{setting}" for setting in own},
        only_with=_OF_STAGES,
        explains=True,
    )


COMMANDS: tuple[Command, ...] = (
    Command(
        name="edit",
        group=EDIT,
        help="Edit a video by a prompt.\n\nThe result keeps the size, the frame times and the sound of the "
        "source. Several prompts give several results.",
        example="edit clip.mp4 'a blue car in the snow'",
        options="frameweave.editing.options:EditOptions",
        work="frameweave.cli.works:edit",
        result="edited",
        run="edit",
        inputs=(
            Input(
                name="video",
                video=True,
                help="An mp4, mov, mkv, webm or gif file, a picture, or a folder of pictures.",
            ),
            Input(
                name="prompts",
                kind=str,
                many=True,
                help="What the video shall show, in quotes. Each further prompt gives a result of its own.",
            ),
        ),
    ),
    Command(
        name="edit-many",
        group=EDIT,
        help="Edit many videos, listed in a table.\n\nEvery line is an edit with a folder of its own. The "
        "same command goes on where an earlier run stopped.",
        example="edit-many edits.csv --editor tokenflow --out runs/edits",
        options="frameweave.editing.options:EditManyOptions",
        work="frameweave.editing.many:edit_many",
        result="many_edited",
        run="edit-many",
        notes_run=True,
        inputs=(
            Input(
                name="table",
                help="A csv or jsonl file with the columns video and prompt, and optionally, in place of the "
                "flags: name, source_prompt, negative_prompt, editor, adaptor, seed, frames, start, end, "
                "mask.",
            ),
        ),
    ),
    Command(
        name="steady",
        group=EDIT,
        help="Make an edited video steadier, whatever program edited it.\n\nWhat the edit has changed of its "
        "source is averaged over neighbouring frames, along the motion of the source. The result keeps the "
        "size, the frame times and the sound of the edited video.",
        example="steady edited.mp4 --source clip.mp4",
        options="frameweave.editing.steadying.options:SteadyOptions",
        work="frameweave.editing.steadying.steady:steady",
        run="steady",
        inputs=(
            Input(
                name="edited",
                help="The edited video: an mp4, mov, mkv, webm or gif file, or a folder of pictures.",
            ),
        ),
    ),
    Command(
        name="generate",
        group=EDIT,
        help="Make a clip from a prompt alone.",
        example="generate 'a red fish in the sky' --frames 8",
        options="frameweave.editing.options:GenerateOptions",
        work="frameweave.editing.generate:generate",
        run="generate",
        inputs=(Input(name="prompt", kind=str, help="What the video shall show, in quotes."),),
    ),
    Command(
        name="demo",
        group=EDIT,
        help="Edit a bundled clip in several ways, and write a page that shows it.\n\nIt takes a few minutes "
        "on a CPU. Each video is written as soon as it is finished.",
        example="demo --open",
        options="frameweave.editing.options:DemoOptions",
        work="frameweave.cli.works:demo",
        result="report",
        run="demo",
    ),
    Command(
        name="app",
        group=EDIT,
        help="Edit videos in a browser: a form, live previews, a queue, and earlier runs.\n\nServes a page "
        "on this machine until Ctrl-C, and an API for programs below /api. Nothing leaves the machine. Edits "
        "go on when the browser is closed.",
        example="app --open",
        options="frameweave.app.options:AppOptions",
        work="frameweave.app.serve:serve",
    ),
    Command(
        name="editors",
        group=EDIT,
        help="List the editors, or the settings of those that are named.\n\nWith --json a line for each "
        "editor: the JSON schema of its settings.",
        example="editors tokenflow",
        inputs=(
            Input(name="editors", kind=str, many=True, default=(), help="Editors whose settings are listed."),
        ),
        work="frameweave.cli.editors:editors",
    ),
    _stage("depth", "Train the depth ControlNet (stage 1).", "--out runs/train"),
    _stage("tokens", "Train the prompt tokens (stage 2).", "--out runs/train"),
    _stage("lora", "Train the LoRA with the temporal loss (stage 3).", "--out runs/train --steps 1000"),
    Command(
        name="train all",
        group=ADAPTOR,
        help="Train several stages, one after the other.\n\n--stages names them.",
        example="train all --from paper --out runs/train",
        options=_TRAIN,
        work="frameweave.cli.works:train",
        result="trained",
        run="train",
        only_with=_OF_STAGES,
        explains=True,
    ),
    Command(
        name="train personal",
        group=ADAPTOR,
        help="Train an adaptor for one's own clip, in minutes.\n\nFor clips of things that the model does "
        "not know. The adaptor learns them from every frame, and stops when frames that are held out stop "
        "improving. Then edit the clip with --adaptor.",
        example="train personal clip.mp4 --shows 'a red gizmo on the grass'",
        options="frameweave.training.personal_options:PersonalOptions",
        work="frameweave.cli.works:train_personal",
        result="trained",
        fixed={"every_frame": True, "stages": ("lora",), "data": ""},
        inputs=(
            Input(
                name="clip",
                help="A video, or a folder of a few. What each shows is told by --shows, or by a .txt "
                "beside it.",
            ),
        ),
        explains=True,
    ),
    Command(
        name="plan edit",
        group=EDIT,
        help="Estimate the memory and time of an edit.\n\nTakes what `edit` takes: put `plan` before that "
        "line. No picture is computed and nothing is written. It also works where the edit would not fit "
        "into memory.",
        example="plan edit clip.mp4 'a blue car' --editor tokenflow --frames 32",
        options="frameweave.editing.options:PlanEditOptions",
        work="frameweave.editing.planning.forecast:plan_edit",
        result="edit_planned",
        inputs=(
            Input(
                name="video",
                kind=str,
                help="A video, a picture, a folder of pictures; or the size of the frames, such as 1280x720, "
                "with --frames.",
            ),
            Input(
                name="prompts",
                kind=str,
                many=True,
                help="What the video shall show; may be left out.",
                default=(),
            ),
        ),
    ),
    Command(
        name="plan train",
        group=ADAPTOR,
        help="Estimate the memory and time of a training run.\n\nTrains each stage for a few steps and "
        "measures them.",
        example="plan train --from paper --stages lora",
        options=_TRAIN,
        work="frameweave.training.forecast:plan_training",
        result="planned",
        only_with=_OF_STAGES,
    ),
    Command(
        name="tune",
        group=ADAPTOR,
        help="Choose for each editor how strongly an adaptor acts at which timesteps.\n\nEdits the clips of "
        "a development set, and writes the adaptor with the best choices. The same command goes on where an "
        "earlier run stopped.",
        example="tune runs/train/adaptor --workers 2",
        options="frameweave.measuring.options:TuneOptions",
        work="frameweave.measuring.tune:tune",
        needs="frameweave.measuring.metrics",
        run="tune",
        inputs=(
            _ADAPTOR,
            Input(
                name="table",
                help="A csv or jsonl file as for `frameweave grid`; default: development clips of the "
                "Miniature's world.",
                default=None,
            ),
        ),
    ),
    Command(
        name="export",
        group=ADAPTOR,
        help="Write an adaptor for other programs: diffusers, ComfyUI, A1111.\n\nWrites the LoRA in every "
        "file layout and ComfyUI workflows, and prints what to write in A1111's prompt (with the extension "
        "loractl).",
        example="export runs/train/adaptor --out runs/export",
        options="frameweave.adaptor.options:ExportOptions",
        work="frameweave.adaptor.export:export",
        run="export",
        notes_run=True,
        inputs=(_ADAPTOR,),
    ),
    Command(
        name="verify",
        group=ADAPTOR,
        help="Check that an adaptor does the same in every file layout and in diffusers.\n\nPrints the "
        "largest difference of each comparison, and fails when one is above its tolerance.",
        example="verify runs/train/adaptor --model stable-diffusion-v1-5/stable-diffusion-v1-5",
        options="frameweave.adaptor.options:VerifyOptions",
        work="frameweave.adaptor.verify:verify",
        inputs=(
            Input(
                name="adaptor",
                kind=str,
                help="The adaptor: a packaged one (miniature or strangers), or a folder that "
                "`frameweave train` or `export` wrote.",
            ),
        ),
    ),
    Command(
        name="grid",
        group=MEASURE,
        help="Edit with every editor and adaptor, and measure the edits.\n\nThe same command goes on where "
        "an earlier run stopped.",
        example="grid --clips 64 --out runs/grid",
        options="frameweave.measuring.options:GridOptions",
        work="frameweave.measuring.grid:grid",
        needs="frameweave.measuring.metrics",
        result="experimented",
        run="grid",
        inputs=(_TABLE_OF_VIDEOS,),
    ),
    Command(
        name="ablation",
        group=MEASURE,
        help="Measure adaptors that lack one of their parts.\n\nTrains these adaptors and edits with each. "
        "The same command goes on where an earlier run stopped.",
        example="ablation --clips 64 --cells runs/grid/cells",
        options="frameweave.measuring.options:AblationOptions",
        work="frameweave.measuring.ablation:ablation",
        needs="frameweave.measuring.metrics",
        result="experimented",
        run="ablation",
        inputs=(_TABLE_OF_VIDEOS,),
    ),
    Command(
        name="evaluate",
        group=MEASURE,
        help="Measure edited videos of any program.\n\nThe metrics use the Miniature's networks, or with "
        "`--backbones real` published ones.",
        example="evaluate edited.mp4 --source clip.mp4 --prompt 'a red car'",
        options="frameweave.measuring.options:EvaluateOptions",
        work="frameweave.measuring.evaluate:evaluate",
        needs="frameweave.measuring.metrics",
        result="evaluated",
        run="evaluate",
        inputs=(
            Input(
                name="edited",
                help="A video, a folder of videos, or a csv or jsonl file with the column edited, and "
                "optionally name, source, prompt, source_prompt, truth and mask.",
            ),
        ),
    ),
    Command(
        name="report",
        group=MEASURE,
        help="Draw the tables and figures of grids, ablations and trainings.\n\nWrites Markdown, LaTeX, CSV, "
        "HTML, figures, and one page to open: report.html.",
        example="report runs/grid",
        options="frameweave.measuring.options:ReportOptions",
        work="frameweave.cli.works:report",
        needs="frameweave.measuring.report",
        result="report",
        inputs=(
            Input(
                name="runs",
                many=True,
                help="Folders of grids and ablations, which may be unfinished; several make one report. "
                "Folders of trainings add their losses.",
            ),
        ),
    ),
    Command(
        name="strip",
        group=MEASURE,
        help="Draw edits of one clip as one picture.\n\nEach clip is a row: the same frames of all, an x-t "
        "slice (one line of pixels, time going down: flicker tears its lines), and a map of what changes.",
        example="strip clip.mp4 tokenflow.mp4 vidtome.mp4 --out runs/strip.png",
        options="frameweave.measuring.options:StripOptions",
        work="frameweave.measuring.strip:strip",
        needs="frameweave.measuring.report",
        inputs=(
            Input(
                name="videos",
                many=True,
                help="The source, then its edits. A run folder of `edit` stands for its results, also of "
                "`--compare`; given first, for its source, too.",
            ),
        ),
    ),
    Command(
        name="bench",
        group=MEASURE,
        help="Measure speed and memory on this machine, as ratios within one run.",
        example="bench",
        options="frameweave.measuring.options:BenchOptions",
        work="frameweave.measuring.bench.bench:bench",
    ),
    Command(
        name="study new",
        group=STUDY,
        help="Build a blinded study of pairs of edits.\n\nSays how many raters it needs, and how likely it "
        "is to show a preference of a given size.",
        example="study new runs/grid --out runs/study",
        options="frameweave.study.options:StudyNewOptions",
        work="frameweave.study.new:new_study",
        needs="frameweave.measuring.stats",
        result="study",
        run="study new",
        notes_run=True,
        inputs=(
            Input(
                name="runs",
                many=True,
                help="Folders of grids and ablations. Each editor's clips that were edited by both systems "
                "become pairs.",
            ),
        ),
    ),
    Command(
        name="study serve",
        group=STUDY,
        help="Serve a study to raters' browsers until Ctrl-C.\n\nAnswers are kept; the same command goes on. "
        "The access token of the results' pages is printed, or taken from FRAMEWEAVE_ADMIN_TOKEN.",
        example="study serve runs/study --port 8000",
        options="frameweave.study.options:StudyServeOptions",
        work="frameweave.cli.works:serve",
        needs="frameweave.study.server",
        inputs=(
            Input(
                name="folder",
                help="The study: the folder that `frameweave study new` wrote.",
                default="runs/study",
            ),
        ),
    ),
    Command(
        name="study report",
        group=STUDY,
        help="Show which edits were preferred, with confidence intervals.\n\nWrites tables, the preference "
        "figure, all answers, and one page.",
        example="study report runs/study",
        options="frameweave.study.options:StudyReportOptions",
        work="frameweave.study.results.report:study_report",
        needs="frameweave.study.results",
        result="study_report",
        inputs=(
            Input(
                name="folder",
                help="The study: the folder that `frameweave study new` wrote.",
                default="runs/study",
            ),
        ),
    ),
    Command(
        name="data prepare",
        group=DATA,
        help="Prepare videos with captions as training shards.\n\nThe same command goes on where an earlier "
        "run stopped.",
        example="data prepare my-videos --out shards",
        options="frameweave.data.options:PrepareOptions",
        work="frameweave.cli.works:prepare",
        result="prepared",
        run="data prepare",
        notes_run=True,
        inputs=(Input(name="source", kind=str, help=_SOURCE),),
    ),
    Command(
        name="data caption",
        group=DATA,
        help="Rewrite captions into edit prompts, by a language model or by rules.\n\nThe model is any with "
        "an OpenAI-compatible endpoint: OPENAI_API_KEY, OPENAI_BASE_URL and FRAMEWEAVE_CAPTION_MODEL name "
        "it. Answers are kept, so nothing is paid for twice. `data prepare --prompts` takes the result.",
        example="data caption my-videos --rules",
        options="frameweave.data.options:CaptionSourceOptions",
        work="frameweave.cli.works:caption",
        result="captioned",
        run="data caption",
        notes_run=True,
        inputs=(Input(name="source", kind=str, help=_SOURCE),),
    ),
    Command(
        name="data check",
        group=DATA,
        help="Check a prepared data set for damage: checksums, files, pictures and splits.",
        example="data check shards",
        work="frameweave.cli.works:check",
        result="checked",
        inputs=(_PREPARED,),
    ),
    Command(
        name="data encode",
        group=DATA,
        help="Encode a prepared data set for a model once, so that training starts sooner.",
        example="data encode shards --model miniature",
        options="frameweave.data.options:EncodeOptions",
        work="frameweave.data.encode:encode",
        inputs=(_PREPARED,),
    ),
    Command(
        name="data show",
        group=DATA,
        help="Draw a contact sheet of a prepared data set, as PNG and HTML.",
        example="data show shards --groups 20 --out runs/sheet",
        options="frameweave.data.options:ShowOptions",
        work="frameweave.data.show:show",
        run="data show",
        notes_run=True,
        inputs=(_PREPARED,),
    ),
    Command(
        name="miniature train",
        group=MINIATURE,
        help="Train the packaged model, or one part of it.\n\nThe same command goes on where an earlier one "
        "stopped.",
        example="miniature train unet --threads 2",
        options="frameweave.miniature.options:PartOptions",
        work="frameweave.cli.works:miniature_train",
        inputs=(
            Input(
                name="part",
                kind=str,
                help="The part to train: all, vae, decoder, towers, vision, judge, unet, estimator, "
                "controlnet, or assemble.",
                default="all",
            ),
        ),
    ),
    Command(
        name="miniature score",
        group=MINIATURE,
        help="Measure the packaged model on held-out scenes, beside the values it must reach.",
        example="miniature score --samples 512 --out runs/score",
        options="frameweave.miniature.options:ScoreOptions",
        work="frameweave.measuring.miniature_score:score",
    ),
    Command(
        name="miniature msrvtt",
        group=MINIATURE,
        help="Write generated clips as a data set in MSR-VTT's layout: mp4 files with annotations.",
        example="miniature msrvtt --clips 40 --out runs/msrvtt",
        options="frameweave.world.options:MsrvttOptions",
        work="frameweave.world.msrvtt_shaped:write_msrvtt_shaped",
    ),
    Command(
        name="miniature world",
        group=MINIATURE,
        help="Write generated clips as mp4, with their captions.",
        example="miniature world --clips 5 --out runs/world",
        options="frameweave.world.options:WorldOptions",
        work="frameweave.world.files:write_world",
    ),
    Command(
        name="doctor",
        group=OTHER,
        help="Show versions, devices, memory, and what is missing.\n\n--thorough asks torch too.",
        example="doctor",
        options="frameweave.cli.doctor:DoctorOptions",
        work="frameweave.cli.doctor:doctor",
    ),
)

BY_NAME = {command.name: command for command in COMMANDS}
BY_RUN = {command.run: command for command in COMMANDS if command.run}
"""The commands that `rerun` repeats, by the name in run.toml."""
