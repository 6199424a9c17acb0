"""The API for programs, and the guard before it, over HTTP without a network."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image
from starlette.testclient import TestClient

from desks import Held, over
from frameweave.app.desk import Desk
from frameweave.app.options import AppOptions
from frameweave.app.web import make_app
from frameweave.editing.options import EditOptions
from frameweave.errors import InputError
from frameweave.video import probe, read_frames
from videos import colour_ramp, write_video

HERE = "http://127.0.0.1:7860"
EDITS, JOBS = "/api/v1/edits", "/api/v1/jobs"


@pytest.fixture
def client(desk: Desk, options: AppOptions) -> Iterator[TestClient]:
    yield TestClient(make_app(desk, options), base_url=HERE)


def submitted(
    client: TestClient,
    video: Path,
    settings: EditOptions,
    frames: tuple[int, ...] = (),
    **files: tuple[str, bytes],
) -> str:
    """An edit by HTTP; its id. `frames` are the numbers of edited frames."""
    chosen = {
        key: value
        for key, value in settings.table().items()
        if key in ("model", "device", "editor", "steps", "use_cache")
    }
    answer = client.post(
        EDITS,
        data={"prompts": ["a red car"], "settings": json.dumps(chosen), "anchor_frames": frames},
        files={"video": (video.name, video.read_bytes()), **files},
    )
    assert answer.status_code == 202, answer.text
    found = answer.json()
    assert found["status"] == f"{JOBS}/{found['id']}"
    return found["id"]


def test_edited_frames_come_along(
    client: TestClient, desk: Desk, video: Path, settings: EditOptions, tmp_path: Path
) -> None:
    Image.new("RGB", (32, 32), "red").save(tmp_path / "red.png")
    frame = ("red.png", (tmp_path / "red.png").read_bytes())
    job = submitted(client, video, settings.replaced(editor="anchored"), (1,), anchors=frame)
    over(desk, job)
    options = desk.settings_of(job).options
    assert isinstance(options, EditOptions)
    (anchor,) = options.anchor
    assert anchor.startswith("1=") and Path(anchor[2:]).read_bytes() == frame[1]
    shown = list(read_frames(desk.view(job).results[0]))[1].pixels
    assert shown[..., 0].mean() > 230 and shown[..., 1:].mean() < 25
    answer = client.post(
        EDITS,
        data={"prompts": ["a red car"], "anchor_frames": [0, 1]},
        files={"video": (video.name, video.read_bytes()), "anchors": frame},
    )
    assert answer.status_code == 422 and "1 anchors and 2" in answer.text


def test_an_edit_from_the_upload_to_the_result(
    client: TestClient, desk: Desk, video: Path, settings: EditOptions, tmp_path: Path
) -> None:
    mask = tmp_path / "mask.png"
    Image.new("L", (32, 32), 255).save(mask)
    job = submitted(client, video, settings, mask=("m.png", mask.read_bytes()))
    over(desk, job)
    status = client.get(f"{JOBS}/{job}", params={"after": 0, "wait": 20}).json()
    assert (status["state"], status["kind"], status["prompts"]) == ("done", "edit", ["a red car"])
    assert status["settings"]["steps"] == 2 and status["settings"]["mask"].endswith(".png")
    assert status["command"][:2] == ["frameweave", "edit"] and status["video"].startswith("a-clip-")
    (place,) = status["results"]
    got = client.get(place)
    assert got.headers["content-type"] == "video/mp4"
    assert f'filename="{job}.mp4"' in got.headers["content-disposition"]
    (result,) = desk.view(job).results
    assert got.content == result.read_bytes()
    part = client.get(place, headers={"range": "bytes=4-7"}, params={"form": "player"})
    assert (part.status_code, part.content) == (206, b"ftyp")
    assert client.get(f"{place[:-1]}1").status_code == 404
    assert client.get(f"{JOBS}/{job}/poster").headers["content-type"] == "image/jpeg"
    assert client.get(f"{JOBS}/{job}/source").content[4:8] == b"ftyp"
    assert client.get(f"{JOBS}/{job}/preview").status_code == 404
    assert [one["id"] for one in client.get(JOBS).json()] == [job]


def test_a_job_is_cancelled_and_goes_on(
    client: TestClient, desk: Desk, video: Path, settings: EditOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch, "frames written")
    job = submitted(client, video, settings)
    held.wait()
    assert client.get(f"{JOBS}/{job}").json()["loop"]["what"] == "frames written"
    assert client.get(f"{JOBS}/{job}/preview").content[:4] == b"\x89PNG"
    assert client.post(f"{JOBS}/{job}/cancel").status_code == 200
    held.go()
    assert over(desk, job).state == "cancelled"
    assert client.post(f"{JOBS}/{job}/go-on").status_code == 202
    over(desk, job)
    assert client.get(f"{JOBS}/{job}").json()["state"] == "done"
    refused = client.post(f"{JOBS}/{job}/go-on")
    assert refused.status_code == 422 and "cannot go on" in refused.json()["error"]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ("{", "no JSON"),
        ("[1]", "no JSON object"),
        ('{"stepz": 3}', "stepz"),
        ('{"steps": 0}', "steps"),
        ('{"out": "/tmp/x"}', "out: the app chooses it"),
        ('{"editor": "nobody"}', "unknown editor"),
        ('{"steps": 1, "steps": 2}', "steps twice"),
        ('{"steps": true}', "steps"),
    ],
)
def test_wrong_settings_are_told(client: TestClient, video: Path, settings: str, says: str) -> None:
    answer = client.post(
        EDITS,
        data={"prompts": "a car", "settings": settings},
        files={"video": (video.name, video.read_bytes())},
    )
    assert answer.status_code == 422 and says in answer.json()["error"]
    assert client.get(JOBS).json() == []


@pytest.mark.parametrize("twice", ["video", "settings"])
def test_a_field_is_given_once(client: TestClient, video: Path, twice: str) -> None:
    parts = [
        ("video", (video.name, video.read_bytes())),
        ("prompts", (None, "a car")),
        ("prompts", (None, "a boat")),
        ("settings", (None, '{"steps": 1}')),
    ]
    parts += [part for part in parts if part[0] == twice]
    answer = client.post(EDITS, files=parts)
    assert answer.status_code == 422 and f"{twice} is given 2 times" in answer.json()["error"]
    assert client.get(JOBS).json() == []


def test_a_broken_video_is_told_without_our_paths(client: TestClient, tmp_path: Path) -> None:
    answer = client.post(
        EDITS, data={"prompts": "a car"}, files={"video": ("../../x/evil.mp4", b"no video at all")}
    )
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("evil.mp4: not a readable video")
    assert str(tmp_path) not in answer.text
    assert list((tmp_path / "runs" / "uploads").iterdir()) == []


def test_the_editors_and_the_description(client: TestClient) -> None:
    editors = {one["name"]: one for one in client.get("/api/v1/editors").json()}
    assert editors["framewise"]["samplers"][0] == "ddim"
    assert "properties" in editors["tokenflow"]["settings"]
    described = client.get("/api/openapi.json").json()
    assert sorted(described["paths"]) == [
        "/api/v1/editors",
        "/api/v1/edits",
        "/api/v1/jobs",
        "/api/v1/jobs/{job}",
        "/api/v1/jobs/{job}/cancel",
        "/api/v1/jobs/{job}/go-on",
        "/api/v1/jobs/{job}/poster",
        "/api/v1/jobs/{job}/preview",
        "/api/v1/jobs/{job}/results/{number}",
        "/api/v1/jobs/{job}/source",
    ]
    assert "steps" in json.dumps(described["paths"]["/api/v1/edits"]) + json.dumps(described["components"])
    assert client.get("/docs").status_code == client.get("/redoc").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/jobs/..", "/api/v1/jobs/%2e%2e", "/api/v1/jobs/..%2f..%2fetc", "/api/v1/jobs/.app",
        "/api/v1/jobs/uploads", "/api/v1/jobs/%00", "/api/v1/jobs/../../../../etc/passwd",
        "/file=/etc/passwd", "/runs/run.toml", "/proxy=http://example.org",
    ],
)  # fmt: skip
def test_nothing_else_is_served(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "[::2]", "0.0.0.0", ""])
def test_another_host_is_refused(client: TestClient, host: str) -> None:
    assert client.get(JOBS, headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:7860", "LOCALHOST", "[::1]:7860"])
def test_this_machine_is_let_in(client: TestClient, host: str) -> None:
    assert client.get(JOBS, headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_another_site_changes_nothing(
    client: TestClient, desk: Desk, headers: dict[str, str], video: Path
) -> None:
    answer = client.post(
        EDITS,
        data={"prompts": "a car"},
        files={"video": (video.name, video.read_bytes())},
        headers=headers,
    )
    assert answer.status_code == 403 and desk.history() == ()


def test_our_own_page_may(client: TestClient) -> None:
    assert client.post(f"{JOBS}/none/cancel", headers={"origin": HERE}).status_code == 404


def test_every_answer_has_its_headers(client: TestClient) -> None:
    for answer in (
        client.get(JOBS),
        client.get("/nothing"),
        client.get(JOBS, headers={"host": "evil.example"}),
    ):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "http" not in answer.headers["content-security-policy"]
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "server" not in answer.headers


def test_a_file_that_is_too_large(desk: Desk, tmp_path: Path) -> None:
    small = AppOptions(runs=tmp_path / "runs", upload_limit=1)
    client = TestClient(make_app(desk, small), base_url=HERE)
    files = {"video": ("a.mp4", bytes(3 * 2**20))}
    told = client.post(EDITS, data={"prompts": "a car"}, files=files)
    assert told.status_code == 413

    def parts() -> Iterator[bytes]:  # whose length nobody tells
        yield b'--x\r\ncontent-disposition: form-data; name="video"; filename="a.mp4"\r\n\r\n'
        for _ in range(4):
            yield bytes(2**20)
        yield b"\r\n--x--\r\n"

    untold = client.post(EDITS, content=parts(), headers={"content-type": "multipart/form-data; boundary=x"})
    assert untold.status_code in (400, 413, 422)
    assert desk.history() == ()


def basic(password: str) -> dict[str, str]:
    return {"authorization": f"Basic {base64.b64encode(f'me:{password}'.encode()).decode()}"}


def test_other_machines_need_the_password(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("correct horse ü\nsecond line\n")
    outside = AppOptions(runs=tmp_path / "runs", host="0.0.0.0", password_file=tmp_path / "password")
    client = TestClient(make_app(desk, outside), base_url="http://192.0.2.7:7860")
    assert client.get(JOBS).status_code == 401
    assert client.get(JOBS).headers["www-authenticate"].startswith("Basic")
    assert client.get(JOBS, headers=basic("correct horse ü")).status_code == 200
    assert client.get(JOBS, headers=basic("correct horse")).status_code == 401
    assert client.get(JOBS, headers={"authorization": "Basic ?"}).status_code == 401
    assert client.get(JOBS, headers=basic("correct horse ü") | {"host": "evil.example"}).status_code == 421
    codes = [client.get(JOBS, headers=basic(f"wrong {number}")).status_code for number in range(10)]
    assert codes[-1] == 429
    assert client.get(JOBS, headers=basic("correct horse ü")).status_code == 429


@pytest.mark.parametrize(
    "changes", [{"host": "0.0.0.0"}, {"host": "192.0.2.7"}, {"host_name": ("lab.example",)}]
)
def test_no_password_no_other_machines(desk: Desk, options: AppOptions, changes: dict[str, object]) -> None:
    with pytest.raises(InputError, match="no password"):
        make_app(desk, options.replaced(**changes))


def test_a_short_password_is_refused(desk: Desk, options: AppOptions, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("short")
    with pytest.raises(InputError, match="at least 12"):
        make_app(desk, options.replaced(host="0.0.0.0", password_file=tmp_path / "password"))


def test_a_result_that_browsers_do_not_play_is_copied(
    client: TestClient, desk: Desk, tmp_path: Path, settings: EditOptions
) -> None:
    odd = write_video(tmp_path / "odd.mkv", colour_ramp(2, (33, 31)), pixel_format="yuv444p")
    job = submitted(client, odd, settings)
    over(desk, job)
    assert client.get(f"{JOBS}/{job}/results/0").headers["content-type"] != "video/mp4"
    shown = client.get(f"{JOBS}/{job}/results/0", params={"form": "player"})
    assert shown.headers["content-type"] == "video/mp4"
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(shown.content)
    assert (probe(copy).width, probe(copy).height, probe(copy).frames) == (32, 30, 2)


def test_the_example_of_the_documentation(
    client: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It runs as it stands, but for the network."""
    monkeypatch.chdir(tmp_path)
    write_video(Path("clip.mp4"), colour_ramp(2, (32, 32)))
    monkeypatch.setattr(httpx, "Client", lambda **_: client)
    page = Path(__file__).parents[2] / "docs" / "howto" / "app-api.md"
    (code,) = re.findall(r"```py\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    exec(code, {})
    assert probe(Path("red-0.mp4")).frames == 2


def test_what_cannot_be_read_is_told_in_one_form(client: TestClient, video: Path) -> None:
    """Also fields that there are not: settings beside `settings` would be lost."""
    file = {"video": (video.name, video.read_bytes())}
    for answer, status, said in (
        (client.post(EDITS, data={"prompts": ["a car"], "steps": "3"}, files=file), 422, "steps"),
        (client.post(EDITS, files=file), 422, "prompts"),
        (client.post(EDITS, data={"prompts": ["a car"], "video": "a.mp4"}), 422, "video"),
        (client.get(JOBS, params={"limit": 0}), 422, "limit"),
        (client.get("/api/v1/nothing"), 404, "not found"),
    ):
        assert answer.status_code == status, answer.text
        problem = answer.json()
        assert problem.keys() == {"error", "hint"} and said in problem["error"], problem
        assert "Temporary" not in answer.text


@pytest.mark.parametrize(("asked", "expected"), [({}, "cpu"), ({"device": "auto"}, "auto")])
def test_an_edit_that_names_no_device_has_the_apps(
    asked: dict[str, str], expected: str, desk: Desk, options: AppOptions, video: Path
) -> None:
    client = TestClient(make_app(desk, options.replaced(device="cpu")), base_url=HERE)
    data = {"prompts": ["a red car"], "settings": json.dumps(asked | {"steps": 1})}
    answer = client.post(EDITS, data=data, files={"video": (video.name, video.read_bytes())})
    assert desk.settings_of(answer.json()["id"]).options.device == expected
    desk.stop(answer.json()["id"])


def test_results_have_names(client: TestClient, desk: Desk, video: Path, settings: EditOptions) -> None:
    job = submitted(client, video, settings)
    over(desk, job)
    assert client.get(f"{JOBS}/{job}").json()["names"] == [path.name for path in desk.view(job).results]


def test_what_no_answer_can_hold_is_refused_all_the_same(client: TestClient, video: Path) -> None:
    """Half of a pair of UTF-16, and a name that no file can have."""
    data = {"prompts": ["a red car"], "settings": '{"source_prompt": "\\ud800"}'}
    answer = client.post(EDITS, data=data, files={"video": (video.name, video.read_bytes())})
    assert answer.status_code == 422 and "source_prompt" in answer.json()["error"]
