"""The installed command, as a user calls it."""

import importlib.util
import json
import os
import resource
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from frameweave.cli import console
from frameweave.cli.main import run
from frameweave.editing import listed
from frameweave.editors import registry
from frameweave.editors.own import own_names
from frameweave.models.stable_diffusion import StableDiffusion
from tiny import new_adaptor
from videos import colour_ramp, write_video

pytestmark = pytest.mark.filterwarnings("ignore:Cyclopts application invoked without tokens:UserWarning")

COMMAND = Path(sysconfig.get_path("scripts")) / "frameweave"
COMMANDS = [
    "edit", "edit-many", "generate", "demo", "editors", "doctor", "rerun", "bench", "export", "verify",
    "plan", "plan edit", "plan train", "train", "train depth", "train tokens", "train lora", "train all",
    "train personal",
    "data", "data prepare", "data caption", "data encode", "data check", "data show",
    "miniature", "miniature train", "miniature score", "miniature world",
    "miniature msrvtt", "grid", "ablation", "report", "strip", "evaluate", "tune", "study", "study new",
    "study serve", "study report", "steady", "app",
]  # fmt: skip


Called = Callable[..., subprocess.CompletedProcess[str]]


def call(*arguments: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=os.environ | {"COLUMNS": "200"} | environment,
        check=False,
    )


@pytest.fixture
def called(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Called]:
    """The command in this process, which has torch already: for all that is no matter of processes."""

    def run_here(*arguments: object) -> subprocess.CompletedProcess[str]:
        words = [str(argument) for argument in arguments]
        monkeypatch.setattr(sys, "argv", ["frameweave", *words])
        monkeypatch.setenv("COLUMNS", "200")
        capsys.readouterr()
        code = 0
        try:
            run()
        except SystemExit as end:
            code = int(end.code or 0)
        return subprocess.CompletedProcess(words, code, *capsys.readouterr())

    yield run_here
    console.choose(quiet=False, json_lines=False)


HEAVY = (
    "torch", "diffusers", "transformers", "peft", "accelerate", "scipy", "cv2", "matplotlib", "gradio",
    "fastapi",
)  # fmt: skip
_CALLS = """
import contextlib, io, json, sys
from frameweave.cli.main import run
from frameweave.editing import listed
heavy, *calls = json.loads(sys.argv[1])
found = []
for arguments in calls:
    sys.argv, code = ["frameweave", *arguments], 0
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        try:
            run()
        except SystemExit as end:
            code = int(end.code or 0)
    found.append([code, out.getvalue(), err.getvalue(), sorted({*heavy} & set(sys.modules))])
print(json.dumps(found))
"""


class Fresh(NamedTuple):
    """What a call gave in a process that has imported nothing before, and what of `HEAVY` it imported."""

    code: int
    out: str
    err: str
    imported: list[str]


def fresh(*calls: Sequence[str], heavy: Sequence[str] = HEAVY) -> list[Fresh]:
    """Calls in one process, one after the other: none imports anything for those after it."""
    done = subprocess.run(
        [sys.executable, "-c", _CALLS, json.dumps([heavy, *calls])],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"COLUMNS": "200"},
    )
    assert done.stderr == ""  # beside what Python's own stream was told
    return [Fresh(*line) for line in json.loads(done.stdout)]


@cache
def helps() -> dict[str, Fresh]:
    """The help of every command."""
    return dict(zip(COMMANDS, fresh(*([*command.split(), "--help"] for command in COMMANDS)), strict=True))


def test_help_answers_at_once() -> None:
    """In less than twice the work in which its libraries come up, whatever the machine; about 0.3 s."""
    libraries = [sys.executable, "-c", "import cyclopts, rich.console, rich.markdown, rich.panel, rich.table"]

    def worked() -> float:
        """Seconds of the processor that ended processes took; a busy machine adds little to them."""
        took = resource.getrusage(resource.RUSAGE_CHILDREN)
        return took.ru_utime + took.ru_stime

    own: list[float] = []
    bare: list[float] = []
    for _ in range(5):
        start = worked()
        assert call("--help").returncode == 0
        middle = worked()
        subprocess.run(libraries, check=True)
        own.append(middle - start)
        bare.append(worked() - middle)
    assert min(own) < 2 * min(bare)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_an_example_and_does_not_import_torch(command: str) -> None:
    done = helps()[command]
    assert done.code == 0
    assert f"frameweave {command}" in done.out
    if command not in ("data", "miniature", "train", "plan", "study"):
        assert f"Example: frameweave {command}" in done.out
    assert done.imported == []


WRONG_PATHS = [
    ["edit", "absent.mp4", "x"],
    ["edit", "absent.mp4", "x", "--adaptor", "absent"],
    ["edit", __file__, "x", "--mask", "absent.png"],
    ["edit", __file__, "x", "--editor", "framewize"],
    ["export", "absent"],
    ["evaluate", "absent"],
    ["report", "absent"],
    ["data", "check", "absent"],
    ["train", "all", "--from", "absent"],
    ["rerun", "absent"],
]


def test_a_wrong_path_is_told_before_anything_heavy_is_imported() -> None:
    for arguments, done in zip(WRONG_PATHS, fresh(*WRONG_PATHS, heavy=[*HEAVY, "numpy", "av"]), strict=True):
        assert done.code == 2 and len(done.err.splitlines()) == 1, (arguments, done)
        assert done.imported == [], arguments


def test_what_takes_no_model_imports_none(tmp_path: Path) -> None:
    """Lists, the doctor, and what is wrong with a video or with settings of an editor."""
    torn, clip = tmp_path / "torn.mp4", str(write_video(tmp_path / "a.mp4", colour_ramp(2, (32, 32)), fps=8))
    torn.write_bytes(b"torn")
    calls = [
        ["--version"],
        ["editors"],
        ["editors", "delta"],
        ["editors", "--json"],
        ["doctor"],
        ["edit", str(torn), "x"],
        ["edit", clip, "x", "--set", "stepz=3"],
        ["edit", clip, "x", "--compare", "--set", "vidtom.steps=3"],
        ["generate", "x", "--set", "motion"],
        ["grid", "--editors", "framewise", "--set", "nothing=1"],
    ]
    done = fresh(*calls)
    assert {call.err for call in done[:5]} == {""} and [call.code for call in done] == [0] * 5 + [2] * 5
    told = ["not a readable video", "did you mean steps", "did you mean vidtome", "name=value", "'nothing'"]
    assert [part in call.err for part, call in zip(told, done[5:], strict=True)] == [True] * 5, done[5:]
    assert [call.imported for call in done] == [[]] * len(calls)


def test_what_is_written_of_the_editors_is_what_they_say() -> None:
    """`make reference` writes it anew."""
    said = listed.written([listed.described(name) for name in own_names()])
    assert listed.FILE.read_text(encoding="utf-8") == said


def test_of_an_editor_that_has_changed_the_class_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = [listed.described("framewise").model_copy(update={"source": "of before", "what": "Old."})]
    monkeypatch.setattr(listed, "FILE", tmp_path / "editors.json")
    assert [one.editor for one in listed.listed()] == registry.names()  # nothing is written at all
    listed.FILE.write_text(listed.written(wrong), encoding="utf-8")
    assert listed.known("framewise") is None
    assert next(one.what for one in listed.listed() if one.editor == "framewise") != "Old."


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("edit", "VIDEO is missing: An mp4"),
        ("edit a.mp4", "PROMPTS is missing: What the video shall show, in quotes"),
        ("edit a.mp4 red --size", "--size: nothing behind it, expected a value"),
        (
            "edit a.mp4 red --tokens=maybe",
            "--tokens is maybe, expected nothing behind it; give --tokens or --no-",
        ),
        ("bench fast", "fast: not expected here; see frameweave bench --help"),
        ("rerun", "RUN is missing: A run folder"),
        ("edit a.mp4 red --siz 3", "Did you mean --size?"),
        ("edit a.mp4 red --size huge", "size is huge, expected a whole number"),
        ("edit a.mp4 red --steps 1.5", "steps is 1.5, expected a whole number"),
        ("edit a.mp4 red --steps 0x10", "steps is 0x10, expected a whole number"),
        ("edit a.mp4 red --guidance 7,5", "guidance is 7,5, expected a number"),
        ("bench --lengths 16 --lengths many", "lengths is many, expected a whole number"),
        ("train lora --t-range 0 all", "t_range is all, expected a number"),
    ],
)
def test_a_line_that_cannot_be_read_is_told_in_plain_words(called: Called, words: str, said: str) -> None:
    done = called(*words.split())
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("frameweave: ") and said in line


def test_errors_are_json_for_programs(called: Called) -> None:
    for arguments, message in (
        (["edit", "absent.mp4", "x", "--json"], "absent.mp4: no such file"),
        (["--json", "edit", "absent.mp4", "x", "--guidence", "3"], "--guidence"),
        (["--json", "edit", "\udcff.mp4", "x"], "\udcff.mp4 is not UTF-8 text"),
    ):
        done = called(*arguments)
        (line,) = done.stdout.splitlines()
        found = json.loads(line)
        assert (found["event"], found["exit_code"], done.returncode, done.stderr) == ("error", 2, 2, "")
        assert message in found["error"] and found.keys() == {"event", "error", "hint", "exit_code"}


def test_doctor_for_programs(called: Called) -> None:
    lines = [json.loads(line) for line in called("doctor", "--json").stdout.splitlines()]
    assert {line["event"] for line in lines} == {"result"}
    assert lines[0]["what"] == "frameweave" and all(
        line.keys() == {"event", "what", "found", "todo"} for line in lines
    )


def test_flags_are_as_reviewed() -> None:
    """Each new flag shows in review: run with FRAMEWEAVE_WRITE_GOLDEN=1 to accept it."""
    golden = Path(__file__).parent / "flags.txt"
    lines: list[str] = []
    for command in COMMANDS:
        words = (word.rstrip(".,;:)") for word in helps()[command].out.split())
        lines += [f"{command} {word}" for word in sorted({w for w in words if w.startswith("--")})]
    if os.environ.get("FRAMEWEAVE_WRITE_GOLDEN"):
        golden.write_text("\n".join(lines) + "\n")
    assert lines == golden.read_text().splitlines()


def test_importing_the_package_is_light() -> None:
    code = "import sys, frameweave; assert not {'torch', 'numpy', 'av'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["edit", "absent.mp4", "x"], "absent.mp4: no such file; check the path"),
        (["edit"], "VIDEO"),
        (["edti"], 'Did you mean "edit"'),
        (["edit", "a.mp4", "x", "--guidence", "3"], "--guidence"),
        (["edit", "a.mp4", "x", "--dtype", "int8"], "int8"),
        (["rerun", "absent.toml"], "absent.toml: No such file"),
        (["miniature", "world", "--clips", "-1"], "clips is -1, expected at least 1"),
        (["generate", "x", "--editor", "framewise"], "cannot make one from text"),
        (["miniature", "train", "vea"], "did you mean vae"),
        (["export", "absent"], "absent: not there"),
        (["export", "miniature", "--sampler", "heun"], "heun"),
        (["verify", "lora.ckpt"], "lora.ckpt: a pickle"),
        (
            ["edit", "https://example.com/a.mp4", "x"],
            "https://example.com/a.mp4: an address, expected a file",
        ),
        (["edit", "\udcff.mp4", "x"], "\\xff.mp4 is not UTF-8 text"),
        (["edit", "a.mp4", "a red \udcff car"], "a red \\xff car is not UTF-8 text"),
        (["edit", "\x1b[31m.mp4", "x"], "\\x1b[31m.mp4: no such file"),
        (["tune", "absent"], "absent: not there"),
        (["grid", "absent.csv"], "absent.csv: no such file"),
        (["generate", "a", "red", "car"], 'put a prompt in quotes: "a red car"'),
        (["train", "all", "--stages", "tokens", "--steps", "1"], "give --tokens-steps"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(
    arguments: list[str], message: str, tmp_path: Path, called: Called, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = called(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_edit_and_rerun_with_json_lines(tiny_folder: Path, tmp_path: Path, called: Called) -> None:
    video = write_video(tmp_path / "ä b.mp4", colour_ramp(3, (32, 32)), fps=8)
    flags = ["--model", tiny_folder, "--device", "cpu", "--steps", "2", "--out", tmp_path / "run", "--json"]
    done = called("edit", video, "a red car", *flags)
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert {"track", "result"} <= {event["event"] for event in events}
    first = Path(events[-1]["videos"][0])
    again = called("rerun", tmp_path / "run", "--out", tmp_path / "again", "--json")
    assert again.returncode == 0, again.stderr
    second = Path(json.loads(again.stdout.splitlines()[-1])["videos"][0])
    assert first.read_bytes() == second.read_bytes()


def test_the_grid_of_all_editors_and_its_rerun(tiny_folder: Path, tmp_path: Path, called: Called) -> None:
    video = write_video(tmp_path / "a.mp4", colour_ramp(2, (32, 32)), fps=8)
    flags = ["--model", tiny_folder, "--device", "cpu", "--steps", "1", "--compare", "--no-use-cache"]
    done = called("edit", video, "a red car", *flags, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    again = called("rerun", tmp_path / "run", "--out", tmp_path / "again")
    assert again.returncode == 0, again.stderr
    first, second = ((tmp_path / run / "slices.png").read_bytes() for run in ("run", "again"))
    assert first == second


def test_quiet_says_nothing_and_imports_what_an_edit_needs(tiny_folder: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", colour_ramp(2, (32, 32)), fps=8)
    flags = ["--model", str(tiny_folder), "--steps", "1", "--out", str(tmp_path / "run"), "--quiet"]
    works = ("training.train", "measuring.experiment", "study.new", "data.prepare", "miniature.recipe")
    rooms = [f"frameweave.{work}" for work in works]
    others = ["matplotlib", "ray", "fastapi", "sqlalchemy", "openai"]
    (done,) = fresh(["edit", str(video), "a car", *flags], heavy=[*rooms, *others])
    assert done == Fresh(0, "", "", [])


def test_ctrl_c_leaves_no_half_written_video(tiny_folder: Path, tmp_path: Path) -> None:
    import signal

    video = write_video(tmp_path / "a.mp4", colour_ramp(8, (64, 64)), fps=8)
    run = tmp_path / "run"
    process = subprocess.Popen(
        [COMMAND, "edit", video, "a car", "--model", tiny_folder, "--steps", "900", "--out", run],
        stderr=subprocess.PIPE,
        text=True,
        # a shell's background jobs, and what they start, ignore the signal otherwise
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while not (run / "run.toml").exists():
        time.sleep(0.05)
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in errors
    assert [path.name for path in run.iterdir()] == ["run.toml"]


def test_doctor_and_editors(called: Called, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "")
    found = call("doctor").stdout  # a wide terminal's: widths are taken at the start
    assert "torch" in found and "not switched off" in found
    for extra, package in (("wandb", "wandb"), ("eight-bit", "bitsandbytes"), ("cloud", "s3fs")):
        missing = importlib.util.find_spec(package) is None
        assert (f"pip install 'frameweave[{extra}]'" in found) == missing
    assert "frameweave[dev]" not in found
    overview = called("editors").stdout
    assert [line.split()[0] for line in overview.splitlines() if line.startswith(" ") and line[1] != " "] == (
        registry.names()
    )
    assert "start_sigma" not in overview
    assert "did you mean delta?" in called("editors", "delt").stderr
    listed = " ".join(called("editors", "delta", "framewise", "tokenflow").stdout.split())
    assert "start_sigma 4.5" in listed and "vid2vid" not in listed
    assert "Share of the steps that are inverted and sampled" in listed
    assert "One of inverted, random." in listed
    lines = [json.loads(line) for line in called("editors", "--json").stdout.splitlines()]
    assert [line["editor"] for line in lines] == registry.names()
    assert {line["editor"]: line["samplers"] for line in lines}["vid2vid_zero"] == ["ddim"]
    assert "--sampler ddim Or euler, dpmpp_2m, unipc." in listed
    found = {line["editor"]: line["settings"] for line in lines}
    assert found["tokenflow"]["properties"]["noise"]["enum"] == ["inverted", "random"]
    assert found["framewise"]["properties"]["strength"]["default"] == 1.0
    assert all(
        setting["description"] for schema in found.values() for setting in schema["properties"].values()
    )


def test_world(tmp_path: Path, called: Called) -> None:
    done = called("miniature", "world", "--clips", "2", "--frames", "4", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    names = [f"{clip}.{kind}" for clip in ("000", "001") for kind in ("mp4", "txt")]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_export_and_verify(tiny_folder: Path, tiny: StableDiffusion, tmp_path: Path, called: Called) -> None:
    new_adaptor(tiny, base=str(tiny_folder)).save(tmp_path / "adaptor")
    done = called("export", tmp_path / "adaptor", "--out", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["a1111"].startswith("<lora:kohya:0.5@0,")
    done = called("verify", tmp_path / "out", "--json", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert len([line for line in done.stdout.splitlines() if "max_difference" in line]) == 10
    kohya = tmp_path / "out" / "kohya.safetensors"
    new_adaptor(tiny, alpha=8).save(tmp_path / "other")
    kohya.write_bytes((tmp_path / "other" / "kohya.safetensors").read_bytes())
    done = call("verify", tmp_path / "out", "--quiet", "--device", "cpu")
    assert done.returncode == 1
    assert "first kohya: weights in the file" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_from_the_world_to_shards_and_a_sheet(tmp_path: Path, called: Called) -> None:
    """The commands of docs/howto/data.md, on a few clips."""
    videos = tmp_path / "videos"
    assert called("miniature", "msrvtt", "--clips", 6, "--frames", 8, "--out", videos).returncode == 0
    common = ("--size", 32, "--depth", "own", "--per-clip", 2, "--out", tmp_path / "shards")
    dry = called("data", "prepare", videos, *common, "--dry-run")
    assert dry.returncode == 0 and "groups_at_most: 12" in dry.stdout and not (tmp_path / "shards").exists()
    done = called("--json", "data", "prepare", videos, *common)
    result = json.loads(done.stdout.splitlines()[-1])
    assert (result["clips"], result["skipped"], result["shards"]) == (6, {}, 2)
    again = called("data", "prepare", videos, *common)
    assert "2 of 2 shards are finished already" in again.stderr and "shards_made: 0" in again.stdout
    checked = called("data", "check", tmp_path / "shards")
    assert (checked.returncode, checked.stdout) == (0, "faults: none\n")
    checked = called("--json", "data", "check", tmp_path / "shards")
    assert json.loads(checked.stdout.splitlines()[-1])["faults"] == []
    assert called("data", "show", tmp_path / "shards", "--out", tmp_path / "sheet").returncode == 0
    assert (tmp_path / "sheet" / "sheet.html").is_file()
    (tmp_path / "shards" / "train-000000.tar").write_bytes(b"")
    found = called("data", "check", tmp_path / "shards")
    assert found.returncode == 1 and "has 0 bytes, expected" in found.stderr
