"""An app that is killed again and again while it works, whose jobs are cancelled and go on."""

import hashlib
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from desks import OVER, tiny_edit
from frameweave.editing.edit import edit
from frameweave.editing.options import EditOptions
from videos import colour_ramp, write_video

JOBS = "/api/v1/jobs"
PROMPTS = ("a red car", "a blue fish", "a green star")
KILLS = 20


@contextmanager
def working(runs: Path) -> Iterator[tuple[httpx.Client, subprocess.Popen[str]]]:
    """The app in a process of its own, which is killed at the end."""
    command = [sys.executable, "-m", "frameweave", "app", "--port", "0", "--runs", str(runs)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stderr is not None
        try:
            lines = iter(process.stderr.readline, "")
            address = next(line.split()[1] for line in lines if line.startswith("open "))
            with httpx.Client(base_url=address, timeout=100) as client:
                yield client, process
        finally:
            process.kill()


def go_on(client: httpx.Client, cancelled: set[str]) -> None:
    """Let all go on that can, but what a user has cancelled."""
    for job in client.get(JOBS).json():
        if job["state"] in OVER and job["state"] != "done" and job["id"] not in cancelled:
            answer = client.post(f"{JOBS}/{job['id']}/go-on")
            assert answer.status_code == 202, answer.text


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_no_job_is_lost_or_changed(tiny_folder: Path, tmp_path: Path) -> None:
    video = write_video(tmp_path / "a.mp4", colour_ramp(4, (32, 32)))
    settings = tiny_edit(tiny_folder, steps=6)
    chosen = {name: settings.table()[name] for name in ("model", "device", "editor", "steps", "use_cache")}
    rng = random.Random(0)
    prompts, cancelled = dict[str, str](), set[str]()
    for _ in range(KILLS):
        with working(tmp_path / "runs") as (client, process):
            go_on(client, cancelled)
            for prompt in rng.sample(PROMPTS, 2):
                form = {"prompts": prompt, "settings": json.dumps(chosen)}
                with video.open("rb") as opened:
                    answer = client.post("/api/v1/edits", data=form, files={"video": opened})
                prompts[answer.json()["id"]] = prompt
            time.sleep(rng.uniform(0, 6))
            if rng.random() < 0.5:
                job = rng.choice(sorted(prompts))
                if client.post(f"{JOBS}/{job}/cancel").json()["state"] != "done":
                    cancelled.add(job)
            time.sleep(rng.uniform(0, 1))
            process.kill()
    with working(tmp_path / "runs") as (client, _):
        go_on(client, cancelled)
        states = dict[str, str]()
        for job in prompts:
            status = client.get(f"{JOBS}/{job}").json()
            while status["state"] not in OVER:
                status = client.get(f"{JOBS}/{job}", params={"after": status["version"], "wait": 20}).json()
            states[job] = status["state"]
        assert len(client.get(JOBS).json()) == len(prompts)
        results = {
            job: hashlib.sha256(client.get(f"{JOBS}/{job}/results/0").content).hexdigest()
            for job, state in states.items()
            if state == "done"
        }
    wanted = {prompt: _sum_of(video, prompt, settings.replaced(out=tmp_path / prompt)) for prompt in PROMPTS}
    lost = [job for job in prompts if job not in cancelled and results.get(job) != wanted[prompts[job]]]
    changed = [job for job, found in results.items() if found != wanted[prompts[job]]]
    print(f"{KILLS} kills of the app, {len(prompts)} jobs, {len(cancelled)} cancelled, ", end="")
    print(f"{len(results)} done, {len(lost)} lost, {len(changed)} changed")
    assert not lost and not changed


def _sum_of(video: Path, prompt: str, options: EditOptions) -> str:
    """What the edit gives without an app."""
    (result,) = edit(video, [prompt], options)
    (result,) = edit(video, [prompt], options)
    return hashlib.sha256(result.video.read_bytes()).hexdigest()
