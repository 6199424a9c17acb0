"""Kills, crowds and starves the commands that write, and looks whether anything was lost: `make soak`.

Each command first runs in peace. Then it is killed at random times and started again (`killed`), started
twice at once (`crowded`), run where files can only grow to a random size, as on a full disk (`full`), and
gone on with after a file of its unfinished work was damaged at random bytes (`damaged`). In the end the same
command runs in peace, and must make the same files. A run that ends with an error in one line is no loss, one
that ends with a traceback is.
"""

import argparse
import hashlib
import os
import random
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_MADE = (
    "miniature world --clips 3 --frames 4 --out clips",
    "edit clips/000.mp4 'a red star' --steps 2 --out edit",
    "grid --clips 2 --frames 3 --steps 2 --editors framewise --editors delta --arms with=strangers@1 "
    "--workers 0 --out measured",  # in one step the adaptor would not act, and a study refuses equal edits
)
"""What the commands below read."""


@dataclass(frozen=True)
class Case:
    """A command that writes to the folder `{out}`, and which of its files must always come out the same."""

    command: str
    results: str
    named: bool = True
    """Whether they have the same names each time; the names of a study's videos are drawn."""

    @property
    def name(self) -> str:
        """Its first words."""
        words = self.command.split()
        return " ".join(words[: 2 if words[0] in ("train", "data", "miniature", "study") else 1])


CASES = (
    Case(
        "edit clips/000.mp4 'a red star' --editor tokenflow --steps 4 --cache {out}-cache --out {out}",
        "*.mp4",
    ),
    Case("edit-many edits.csv --steps 2 --workers 1 --out {out}", "*/*.mp4"),
    Case("generate 'a red star' --frames 4 --steps 4 --out {out}", "*.mp4"),
    Case("steady edit/edited.mp4 --source clips/000.mp4 --out {out}", "*.mp4"),
    Case("grid --clips 2 --frames 3 --steps 1 --editors framewise --workers 1 --out {out}", "scores.jsonl"),
    Case("report measured --out {out}", "tables/headline.md"),
    Case(
        "train lora --steps 8 --groups 8 --held-out 2 --frames 3 --accumulate 1 --watch-every 4 --out {out}",
        "adaptor/*.safetensors",
    ),
    Case(
        "data prepare clips --depth-model miniature --size 32 --frames 2 --workers 1 --clips-per-shard 1 "
        "--out {out}",
        "**/*.tar",
    ),
    Case("miniature world --clips 6 --frames 6 --out {out}", "*.mp4"),
    Case("export miniature --out {out}", "**/*.safetensors"),
    Case("study new measured --per-rater 2 --checks 0 --repeats 0 --out {out}", "media/*.mp4", named=False),
)


@dataclass
class Soak:
    """A folder with what the commands read, and what has happened so far."""

    folder: Path
    rng: random.Random
    hits: int = 0
    refused: int = 0
    losses: int = 0

    def start(self, command: str, file_bytes: int | None = None) -> subprocess.Popen[str]:
        """The command in a process of its own; `file_bytes` is how large its files may grow."""
        process = subprocess.Popen(
            [sys.executable, "-m", "frameweave", *shlex.split(command), "--quiet"],
            cwd=self.folder,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        if file_bytes is not None:
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
        return process

    def ended(self, process: subprocess.Popen[str]) -> bool:
        """Wait for it; whether it succeeded. An error that is not told in words is a loss."""
        _, errors = process.communicate()
        if process.returncode > 0:
            self.refused += 1
        if "Traceback" in errors:
            self.losses += 1
            print(errors, file=sys.stderr)
        return process.returncode == 0

    def in_peace(self, case: Case, out: str) -> str:
        """Run to the end; a digest of what lies there then, empty when nothing does.

        A finished study or exported model is never changed: there the run is refused.
        """
        self.ended(self.start(case.command.format(out=out)))
        sums = list[str]()
        for file in (self.folder / out).glob(case.results):
            if file.name.startswith("."):  # a stage, which is nobody's result and goes after a day
                continue
            name = str(file.relative_to(self.folder / out)) if case.named else ""
            sums.append(hashlib.sha256(name.encode() + file.read_bytes()).hexdigest())
        return hashlib.sha256("".join(sorted(sums)).encode()).hexdigest() if sums else ""


def killed(soak: Soak, command: str, seconds: float) -> None:
    """Killed up to three times, each time a little later in its work."""
    for _ in range(3):
        process = soak.start(command)
        try:
            process.wait(soak.rng.uniform(0, seconds))
        except subprocess.TimeoutExpired:
            soak.hits += 1
        process.kill()
        soak.ended(process)


def crowded(soak: Soak, command: str, seconds: float) -> None:
    """Two at once; one may be refused."""
    first = soak.start(command)
    time.sleep(soak.rng.uniform(0, seconds / 2))
    second = soak.start(command)
    results = [soak.ended(process) for process in (first, second)]
    soak.hits += 1
    soak.losses += not any(results)


def full(soak: Soak, command: str, seconds: float) -> None:
    """Files can only grow to a random size."""
    soak.hits += not soak.ended(soak.start(command, file_bytes=int(10 ** soak.rng.uniform(1.5, 6))))


def damaged(soak: Soak, command: str, seconds: float) -> None:
    """Killed late in its work; then some bytes of a file that it left are others."""
    process = soak.start(command)
    try:
        process.wait(soak.rng.uniform(0.4, 0.9) * seconds)
    except subprocess.TimeoutExpired:
        process.kill()
    soak.ended(process)
    out = soak.folder / command.partition("--out ")[2]
    files = [path for path in sorted(out.rglob("*")) if path.is_file() and path.stat().st_size > 0]
    if process.returncode == 0 or not files:  # finished results are the user's own
        return
    file = soak.rng.choice(files)
    content = bytearray(file.read_bytes())
    for _ in range(8):
        content[soak.rng.randrange(len(content))] = soak.rng.randrange(256)
    file.write_bytes(content)
    soak.hits += 1


WAYS: tuple[Callable[[Soak, str, float], None], ...] = (killed, crowded, full, damaged)


def rounds(case: Case, way: Callable[[Soak, str, float], None], soak: Soak, count: int) -> None:
    """So many times: trouble, then the command in peace, which must make what it makes without trouble."""
    begun = time.monotonic()
    wanted = soak.in_peace(case, "peace")
    seconds = time.monotonic() - begun
    if not wanted:
        raise SystemExit(f"{case.name}: fails even in peace")
    for number in range(count):
        out = f"{way.__name__}-{number}"
        way(soak, case.command.format(out=out), seconds)
        refused = soak.refused
        if soak.in_peace(case, out) == wanted:
            continue
        if way is damaged and soak.refused > refused:  # the damage was seen and told
            continue
        soak.losses += 1
        print(f"{case.name}: lost after it was {way.__name__} (round {number})", file=sys.stderr)


def make(folder: Path) -> None:
    """What the commands read, in a new folder."""
    folder.mkdir()
    soak = Soak(folder, random.Random(0))
    for command in _MADE:
        if not soak.ended(soak.start(command)):
            raise SystemExit(f"{command}: failed")
    table = "video,prompt\nclips/000.mp4,a red star\nclips/001.mp4,a blue fish\n"
    (folder / "edits.csv").write_text(table, encoding="utf-8")


def main() -> int:
    """Print a table of rounds, hits, refusals and losses."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rounds", type=int, default=12, help="of each command and kind of trouble")
    asked.add_argument("--only", default="", help="part of a command's name")
    asked.add_argument("--trouble", choices=[way.__name__ for way in WAYS], help="only this one")
    asked.add_argument("--seed", type=int, default=0)
    given = asked.parse_args()
    print("| command | trouble | rounds | hits | refused | losses |\n|---|---|---|---|---|---|", flush=True)
    lost = 0
    with tempfile.TemporaryDirectory() as name:
        made = Path(name) / "made"
        make(made)
        for case in CASES:
            for way in WAYS if given.only in case.name else ():
                if given.trouble not in (None, way.__name__):
                    continue
                folder = Path(shutil.copytree(made, Path(name) / "now"))
                soak = Soak(folder, random.Random(f"{given.seed} {case.name} {way.__name__}"))
                rounds(case, way, soak, given.rounds)
                told = (case.name, way.__name__, given.rounds, soak.hits, soak.refused, soak.losses)
                print("| " + " | ".join(map(str, told)) + " |", flush=True)
                lost += soak.losses
                shutil.rmtree(folder)
    return min(lost, 1)


if __name__ == "__main__":
    sys.exit(main())
