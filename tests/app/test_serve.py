"""The whole command, from its start to its end; it takes as long as Gradio and torch take to come up."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from desks import app_options
from frameweave.app.serve import serve
from frameweave.errors import InputError, MissingExtra
from frameweave.runs.run_file import read_run
from videos import colour_ramp, write_video

pytest.importorskip("gradio")


def test_the_command_serves_and_ends_in_order(tmp_path: Path) -> None:
    """Asked to end in the middle of an edit, it lets it be gone on with."""
    import httpx

    video = write_video(tmp_path / "a.mp4", colour_ramp(4, (32, 32)))
    command = [sys.executable, "-m", "frameweave", "app", "--port", "0"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            lines = iter(process.stderr.readline, "")
            address = next(line.split()[1] for line in lines if line.startswith("open "))
            with httpx.Client(base_url=address, timeout=100) as client:
                page = client.get("/")
                assert page.status_code == 200 and "nosniff" in page.headers["x-content-type-options"]
                nothing = {"named_endpoints": {}, "unnamed_endpoints": {}}
                assert client.get("/gradio_api/info").json() == nothing
                for path in ("/etc/passwd", __file__, f"{tmp_path}/runs/.app", "http://example.org"):
                    assert client.get(f"/gradio_api/file={path}").status_code == 403
                form = {"prompts": "a red car", "settings": '{"steps": 900}'}
                with video.open("rb") as opened:
                    job = client.post("/api/v1/edits", data=form, files={"video": opened}).json()
                state, version = "waiting", 0
                while state == "waiting":
                    found = client.get(job["status"], params={"after": version, "wait": 20}).json()
                    state, version = found["state"], found["version"]
            process.send_signal(signal.SIGTERM)
            rest = "".join(lines)
            assert process.wait(100) == 0, rest
        finally:
            process.kill()
    assert "the app ends" in rest
    record = read_run(tmp_path / "runs" / job["id"])
    assert (record.state in ("", "waiting"), record.result) == (True, None)
    assert not (tmp_path / "runs" / ".app" / ".lock").exists()


def test_other_machines_are_refused_before_anything_is_taken(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no password"):
        serve(app_options(tmp_path, host="0.0.0.0"))
    assert not (tmp_path / "runs").exists()


def test_without_gradio_the_line_that_installs_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("frameweave.errors.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'frameweave\[app\]'"):
        serve(app_options(tmp_path))
