"""The server's pages: a whole study, and everybody who should not get in."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from frameweave.serving.limits import Limiter
from frameweave.study.folder import read_design
from frameweave.study.server.app import make_app
from frameweave.study.server.security import Signer
from frameweave.study.server.site import Site
from frameweave.study.server.storage import Store
from studies import SMALL, TOKEN, field_of, small_study

CRITERIA = ("alignment", "quality", "consistency")


@pytest.fixture(scope="module")
def folder(study_folder: Path) -> Path:
    return study_folder


@pytest.fixture
def site(folder: Path, tmp_path: Path) -> Site:
    design = read_design(folder)
    store = Store(f"sqlite:///{tmp_path}/answers.sqlite", design)
    return Site(design=design, store=store, folder=folder, signer=Signer(b"x" * 32), admin=TOKEN)


@pytest.fixture
def client(site: Site) -> TestClient:
    return TestClient(make_app(site), base_url="https://study.example", follow_redirects=False)


def begin(client: TestClient) -> str:
    """The first task's page."""
    csrf = field_of(client.get("/").text, "csrf")
    answer = client.post("/begin", data={"csrf": csrf, "agree": "yes"})
    assert (answer.status_code, answer.headers["location"]) == (303, "task")
    return client.get("/task").text


def cookie(client: TestClient, what: str) -> str:
    """The name of a cookie that the client has."""
    (name,) = (name for name in client.cookies if name.startswith(f"frameweave_{what}"))
    return name


def answers(page: str, **more: str) -> dict[str, str]:
    given = dict.fromkeys(CRITERIA, "left")
    return {"csrf": field_of(page, "csrf"), "trial": field_of(page, "trial"), "loops": "2", **given, **more}


def test_a_whole_study(client: TestClient, site: Site) -> None:
    page, seen = begin(client), 0
    while True:
        seen += 1
        assert f"Pair {seen} of 6" in page
        for which in ("left", "right", "source"):
            video = client.get(f"/media/{field_of(page, 'trial')}/{which}.mp4")
            assert video.status_code == 200 and video.content[4:8] == b"ftyp"
        assert client.post("/task", data=answers(page)).headers["location"] == "task"
        answer = client.get("/task")
        if answer.status_code == 303:
            break
        page = answer.text
    assert seen == 6  # four pairs, a check, a repeat
    assert "completion code" in client.get("/thanks").text
    rows = site.store.answers()
    assert len(rows) == 18 and {row.loops for row in rows} == {2}
    assert client.post("/forget", data={"csrf": field_of(page, "csrf")}).status_code == 200
    assert site.store.answers() == [] and client.get("/task").status_code == 403


def test_nothing_says_who_made_a_video(client: TestClient, site: Site) -> None:
    page = begin(client)
    told = [page, client.get("/static/player.js").text, json.dumps(dict(client.cookies))]
    sizes: set[int] = set()
    tags: list[str] = []
    for which in ("left", "right"):
        answer = client.get(f"/media/{field_of(page, 'trial')}/{which}.mp4")
        told.append(json.dumps(dict(answer.headers)))
        sizes.add(len(answer.content))
        tags.append(answer.headers["last-modified"])
    assert len(sizes) == 1 and len(set(tags)) == 1
    secret = {name for pair in site.design.pairs for name in (pair.id, *pair.media, pair.source, pair.editor)}
    for text in told:
        assert not any(name in text for name in secret)
        assert not re.search(r"\b(without|adaptor|lora)\b", text.replace("without a", ""), re.I)


def test_a_part_of_a_video_can_be_asked_for(client: TestClient) -> None:
    trial = field_of(begin(client), "trial")
    part = client.get(f"/media/{trial}/left.mp4", headers={"range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")


def test_the_first_answer_stands(client: TestClient, site: Site) -> None:
    page = begin(client)
    for side in ("left", "right"):
        answer = client.post("/task", data=answers(page, quality=side))
        assert answer.status_code == 303  # a second click goes on to the next page
    assert [row.choice for row in site.store.answers() if row.criterion == "quality"] == ["left"]


def test_a_link_goes_on_in_another_browser(client: TestClient, site: Site) -> None:
    page = begin(client)
    found = re.search(r'href="(resume/[^"]+)"', page)
    assert found is not None
    other = TestClient(client.app, base_url="https://study.example", follow_redirects=True)
    assert field_of(other.get(found[1]).text, "trial") == field_of(page, "trial")
    assert other.get("/resume/forged-token").status_code == 403


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"csrf": "0" * 64}, 403), ({"trial": "another"}, 403), ({"quality": ""}, 422),
        ({"quality": "none"}, 422), ({"quality": "both"}, 422), ({"loops": "-1"}, 422),
        ({"loops": "many"}, 422), ({"trial": "x" * 300}, 422),
    ],
)  # fmt: skip
def test_forms_that_are_not_ours_change_nothing(
    client: TestClient, site: Site, change: dict[str, str], status: int
) -> None:
    page = begin(client)
    answer = client.post("/task", data=answers(page) | change)
    assert answer.status_code == status and "<h1>Sorry</h1>" in answer.text
    assert site.store.answers() == []


def test_a_form_from_another_site_has_no_proof(client: TestClient, site: Site) -> None:
    assert client.post("/begin", data={"csrf": "x", "agree": "yes"}).status_code == 403
    client.get("/")
    other = TestClient(client.app, base_url="https://study.example")
    csrf = field_of(other.get("/").text, "csrf")
    assert client.post("/begin", data={"csrf": csrf, "agree": "yes"}).status_code == 403
    assert site.store.raters() == 0


def test_nobody_begins_without_consent(client: TestClient, site: Site) -> None:
    csrf = field_of(client.get("/").text, "csrf")
    assert client.post("/begin", data={"csrf": csrf}).status_code == 422
    assert site.store.raters() == 0


def test_other_peoples_videos_and_files_are_out_of_reach(client: TestClient, site: Site) -> None:
    other = TestClient(client.app, base_url="https://study.example", follow_redirects=False)
    theirs = field_of(begin(other), "trial")
    trial = field_of(begin(client), "trial")
    assert client.get(f"/media/{theirs}/left.mp4").status_code == 403
    for path in (
        f"/media/{trial}/..%2f..%2fsecret.mp4", f"/media/{trial}/middle.mp4",
        "/media/..%2Fdesign.json/left.mp4",
        "/static/../design.json", "/static/..%2f..%2fapp.py", "/design.json", "/answers.sqlite",
        "/docs", "/openapi.json",
    ):  # fmt: skip
        assert client.get(path).status_code in (403, 404, 422), path
    forged = TestClient(client.app, cookies={cookie(client, "rater"): "forged"})
    assert forged.get(f"/media/{trial}/left.mp4").status_code == 403
    assert site.store.answers() == []


def test_every_answer_has_its_headers(client: TestClient) -> None:
    for path in ("/", "/task", "/static/study.css", "/nothing"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
    assert client.get("/").headers["cache-control"] == "no-store"
    for cookie in client.get("/").headers.get_list("set-cookie"):
        assert "HttpOnly" in cookie and "SameSite=lax" in cookie


def test_cookies_by_https_only_where_that_is_asked_for(site: Site) -> None:
    client = TestClient(make_app(replace(site, secure=True)), base_url="https://study.example")
    assert "Secure" in client.get("/").headers["set-cookie"]


def test_long_forms_and_forms_without_length_are_refused(client: TestClient) -> None:
    assert client.post("/begin", data={"csrf": "x" * 20_000}).status_code == 413
    assert client.post("/begin", content=iter([b"csrf=x"])).status_code == 411


def test_who_is_too_fast_has_to_wait(site: Site) -> None:
    slow = replace(
        site,
        pages=Limiter(burst=3, per_minute=0),
        logins=Limiter(burst=1, per_minute=0),
        enrolments=Limiter(burst=1, per_minute=0),
    )
    client = TestClient(make_app(slow), base_url="https://study.example", follow_redirects=False)
    begin(client)
    assert [client.get("/task").status_code for _ in range(4)] == [200, 200, 429, 429]
    csrf = field_of(client.get("/admin").text, "csrf")
    assert client.post("/begin", data={"csrf": csrf, "agree": "yes"}).status_code == 429
    for status in (403, 429):
        assert client.post("/admin", data={"csrf": csrf, "token": "guess"}).status_code == status


def test_the_admin_sees_results_and_takes_answers_away(client: TestClient) -> None:
    page = begin(client)
    client.post("/task", data=answers(page))
    for path in ("/admin/results", "/admin/answers.csv", "/admin/answers.json"):
        assert client.get(path).status_code == 403
    csrf = field_of(client.get("/admin").text, "csrf")
    assert client.post("/admin", data={"csrf": csrf, "token": TOKEN}).headers["location"] == "admin/results"
    results = client.get("/admin/results").text
    assert "1 raters have begun" in results and "tokenflow" in results
    rows = client.get("/admin/answers.json").json()
    assert len(rows) == 3 and rows[0]["preferred"] in ("without", "with", "spoilt", "clean")
    assert client.get("/admin/answers.csv").text.count("\n") == 4
    for forged in ("9999999999.forged", "nonsense", "."):
        other = TestClient(client.app, cookies={cookie(client, "admin"): forged})
        assert other.get("/admin/results").status_code == 403


def test_a_complete_study_takes_nobody_more(client: TestClient) -> None:
    for _ in range(4):  # 8 pairs x 2 raters / 4 pairs each
        begin(TestClient(client.app, base_url="https://study.example", follow_redirects=False))
    csrf = field_of(client.get("/").text, "csrf")
    assert "has all its answers" in client.post("/begin", data={"csrf": csrf, "agree": "yes"}).text


def test_no_preference_is_offered_where_it_is_allowed(tmp_path: Path) -> None:
    folder = small_study(tmp_path, SMALL.replaced(undecided=True), clips=2)
    design = read_design(folder)
    store = Store(f"sqlite:///{tmp_path}/answers.sqlite", design)
    site = Site(design=design, store=store, folder=folder, signer=Signer(b"x" * 32), admin=TOKEN)
    client = TestClient(make_app(site), base_url="https://study.example", follow_redirects=False)
    page = begin(client)
    assert page.count("No preference") == 3
    assert client.post("/task", data=answers(page, quality="none")).status_code == 303
    assert {row.choice for row in store.answers()} == {"left", "none"}


def test_codes_and_numbers_are_never_given_twice(client: TestClient, site: Site) -> None:
    """Also when a rater who has seen a code has all answers deleted."""
    codes: list[str] = []
    for _ in range(3):
        page = begin(client)
        while page:
            client.post("/task", data=answers(page))
            answer = client.get("/task")
            page = answer.text if answer.status_code == 200 else ""
        thanks = client.get("/thanks").text
        codes += re.findall(r'class="code">(\w{10})<', thanks)
        assert client.post("/forget", data={"csrf": field_of(thanks, "csrf")}).status_code == 200
    assert len(set(codes)) == 3 and site.store.raters() == 0


@pytest.mark.parametrize(
    ("given", "kept"), [("90000000", 90_000_000), ("2147483648", 2**31 - 1), ("9" * 50, 2**31 - 1)]
)
def test_a_page_may_stay_open_for_days(client: TestClient, site: Site, given: str, kept: int) -> None:
    page = begin(client)
    assert client.post("/task", data=answers(page, milliseconds=given, loops=given)).status_code == 303
    assert {(row.milliseconds, row.loops) for row in site.store.answers()} == {(kept, kept)}


@pytest.mark.parametrize("path", ["/", "/admin", "/static/study.css", "/task", "/nowhere", "/admin/results"])
def test_head_is_like_get(client: TestClient, path: str) -> None:
    head, got = client.head(path), client.get(path)
    assert (head.status_code, head.content) == (got.status_code, b"") and head.status_code != 405
    assert head.headers["content-length"] == got.headers["content-length"]


def test_a_slash_too_much_is_no_redirect_to_another_place(client: TestClient) -> None:
    assert client.get("/task/").status_code == 404
