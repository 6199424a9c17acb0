"""Where a study stands: below any path, beside other studies on one host, behind proxies that are known."""

import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from frameweave.errors import InputError
from frameweave.serving.limits import Limiter
from frameweave.study.folder import read_design
from frameweave.study.options import StudyServeOptions
from frameweave.study.server.app import make_app
from frameweave.study.server.places import Callers, proxies_of
from frameweave.study.server.security import Signer
from frameweave.study.server.serve import serve
from frameweave.study.server.site import Site
from frameweave.study.server.storage import Store
from studies import TOKEN, field_of

HOST = "https://host.example"
CRITERIA = ("alignment", "quality", "consistency")


def site_of(folder: Path, answers: Path, **more: object) -> Site:
    design = read_design(folder)
    store = Store(f"sqlite:///{answers}", design)
    site = Site(design=design, store=store, folder=folder, signer=Signer(b"x" * 32), admin=TOKEN)
    return replace(site, **more)  # pyright: ignore[reportArgumentType]


class Proxy:
    """Shows a server below a path, which it takes away or leaves on, and knows nothing else."""

    def __init__(self, app: ASGIApp, prefix: str, *, strips: bool) -> None:
        self.app, self.prefix, self.strips = app, prefix, strips
        self.elsewhere: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if not scope["path"].startswith(f"{self.prefix}/"):
                self.elsewhere.append(scope["path"])
            if self.strips:
                cut = len(self.prefix)
                scope = {**scope, "path": scope["path"][cut:], "raw_path": scope["raw_path"][cut:]}
        await self.app(scope, receive, send)


class Addresses(HTMLParser):
    """Everything a page asks for or leads to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("href", "src", "action") and value]


@pytest.mark.parametrize("strips", [True, False], ids=["prefix taken away", "prefix left on"])
@pytest.mark.parametrize("prefix", ["/lab/study", "/a"])
def test_a_whole_study_below_a_path(study_folder: Path, tmp_path: Path, prefix: str, strips: bool) -> None:
    site = site_of(study_folder, tmp_path / "x.sqlite", prefix="" if strips else prefix)
    proxy = Proxy(make_app(site), prefix, strips=strips)
    client = TestClient(proxy, base_url=HOST)
    first = client.get(f"{prefix}/")
    everything = iter_addresses(client, str(first.url), first.text)
    assert {urlsplit(url).path.removeprefix(prefix) for url in everything} == {
        "/static/study.css", "/static/icon.svg", "/begin",
    }  # fmt: skip
    page = client.post(f"{prefix}/begin", data={"csrf": field_of(first.text, "csrf"), "agree": "yes"})
    for _ in range(6):
        assert str(page.url) == f"{HOST}{prefix}/task"
        for url in iter_addresses(client, str(page.url), page.text):
            if not url.endswith(("/task", "/begin")) and "/resume/" not in url:
                assert client.get(url).status_code == 200, url
        form = {name: field_of(page.text, name) for name in ("csrf", "trial")} | {"loops": "1"}
        page = client.post(str(page.url), data=form | dict.fromkeys(CRITERIA, "left"))
    assert str(page.url) == f"{HOST}{prefix}/thanks" and len(site.store.answers()) == 18
    for lost in ("/nowhere", "/deep/er/nowhere", "/resume/forged"):
        sorry = client.get(f"{prefix}{lost}")
        (home,) = re.findall(r'<p><a href="([^"]*)"', sorry.text)
        assert sorry.status_code in (403, 404) and urljoin(str(sorry.url), home) == f"{HOST}{prefix}/"
    csrf = field_of(client.get(f"{prefix}/admin").text, "csrf")
    results = client.post(f"{prefix}/admin", data={"csrf": csrf, "token": TOKEN})
    assert str(results.url) == f"{HOST}{prefix}/admin/results"
    for url in iter_addresses(client, str(results.url), results.text):
        assert client.get(url).status_code == 200, url
    assert proxy.elsewhere == []


def iter_addresses(client: TestClient, base: str, page: str) -> Iterator[str]:
    for address in Addresses(page).found:
        yield urljoin(base, address)


def test_a_link_to_go_on_works_below_a_path(study_folder: Path, tmp_path: Path) -> None:
    site = site_of(study_folder, tmp_path / "x.sqlite", prefix="/lab")
    app = make_app(site)
    client = TestClient(app, base_url=HOST)
    csrf = field_of(client.get("/lab/").text, "csrf")
    page = client.post("/lab/begin", data={"csrf": csrf, "agree": "yes"})
    (kept,) = re.findall(r'href="(resume/[^"]+)"', page.text)
    other = TestClient(app, base_url=HOST).get(urljoin(str(page.url), kept))
    assert str(other.url) == f"{HOST}/lab/task" and field_of(other.text, "trial") == field_of(
        page.text, "trial"
    )


def test_the_prefix_alone_leads_to_the_first_page_and_keeps_cookies_below_it(
    study_folder: Path, tmp_path: Path
) -> None:
    app = make_app(site_of(study_folder, tmp_path / "x.sqlite", prefix="/lab/study"))
    answer = TestClient(app, base_url=HOST).get("/lab/study")
    assert str(answer.url) == f"{HOST}/lab/study/" and answer.status_code == 200
    assert "Path=/lab/study/;" in answer.headers["set-cookie"]
    for near in ("/lab/studyx", "/lab"):  # no prefix, however alike
        assert TestClient(app, base_url=HOST).get(near).status_code == 404


@pytest.mark.parametrize("prefix", ["lab", "/a b", "/../x", "/x?y", "//", "https://host/lab", "/büro", "/."])
def test_a_prefix_that_is_no_path_is_refused(prefix: str) -> None:
    with pytest.raises(InputError, match=f"prefix is {re.escape(prefix)}, expected a path of letters"):
        StudyServeOptions(prefix=prefix)


def test_a_slash_behind_the_prefix_is_left_out() -> None:
    assert [StudyServeOptions(prefix=given).prefix for given in ("/lab/", "/lab", "/", "")] == [
        "/lab"
    ] * 2 + [""] * 2


class ByPort:
    """Two servers on one host: browsers send the cookies of either to both."""

    def __init__(self, **apps: ASGIApp) -> None:
        self.apps = apps

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self.apps[f"port{scope['server'][1]}"](scope, receive, send)


def test_two_studies_on_one_host_leave_each_other_alone(study_folder: Path, tmp_path: Path) -> None:
    """Also two copies of one study, with the same secret, whose answers are kept apart."""
    sites = [site_of(study_folder, tmp_path / f"{port}.sqlite") for port in (8001, 8002)]
    both = ByPort(port8001=make_app(sites[0]), port8002=make_app(sites[1]))
    browser = TestClient(both, follow_redirects=False)
    pages: list[str] = []
    for port in (8001, 8002):
        csrf = field_of(browser.get(f"http://host.example:{port}/").text, "csrf")
        form = {"csrf": csrf, "agree": "yes"}
        assert browser.post(f"http://host.example:{port}/begin", data=form).status_code == 303
    for port in (8001, 8002):
        page = browser.get(f"http://host.example:{port}/task")
        assert page.status_code == 200
        pages.append(field_of(page.text, "trial"))
        form = {"csrf": field_of(page.text, "csrf"), "trial": pages[-1], "loops": "1"}
        form |= dict.fromkeys(CRITERIA, "left")
        assert browser.post(f"http://host.example:{port}/task", data=form).status_code == 303
    assert pages[0] != pages[1] and [len(site.store.answers()) for site in sites] == [3, 3]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("127.0.0.1", ["127.0.0.1", "::ffff:7f00:1"]),
        ("10.1.2.3/8", ["10.0.0.0/8", "::ffff:a00:0/104"]),
        ("::1", ["::1"]),
        ("::1, 10.0.0.1", ["::1", "10.0.0.1", "::ffff:a00:1"]),
        ("*", ["*"]),
    ],
)
def test_addresses_and_networks_of_proxies(given: str, found: list[str]) -> None:
    assert proxies_of(given) == found


def test_a_proxy_by_its_name_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def lookup(name: str, port: None) -> list[tuple[object, ...]]:
        known = {"localhost": ["127.0.0.1", "::1"], "nginx": ["172.17.0.2"]}
        if name not in known:
            raise socket.gaierror(-2, "Name or service not known")
        return [(0, 0, 0, "", (address, 0)) for address in known[name]]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    assert proxies_of("localhost") == ["127.0.0.1", "::ffff:7f00:1", "::1"]
    assert proxies_of("nginx,::1") == ["172.17.0.2", "::ffff:ac11:2", "::1"]
    with pytest.raises(InputError, match="proxy 'lokalhost', expected an address"):
        proxies_of("lokalhost")


@pytest.mark.parametrize(
    "given", ["", "127.0.0.1:8080", "http://127.0.0.1", "127.0.0.1/33", "127.0.0.1,", "[::1]", "x" * 70]
)
def test_what_names_no_proxy_is_refused_before_anything_else(given: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="proxy"):
        serve(tmp_path / "no study", StudyServeOptions(proxy=given, port=0))


@pytest.mark.parametrize(("address", "told"), [("203.0.113.9", 0), ("172.17.0.1", 1)])
def test_a_proxy_that_is_not_named_is_told_once_and_without_addresses(
    study_folder: Path, tmp_path: Path, address: str, told: int
) -> None:
    """A named one has put the rater's address in place of its own before the study's server looks."""
    notes: list[str] = []
    site = site_of(
        study_folder,
        tmp_path / "x.sqlite",
        callers=Callers(notes.append),
        enrolments=Limiter(burst=100, per_minute=0),
    )
    client = TestClient(make_app(site), base_url=HOST, client=(address, 5000), follow_redirects=False)
    csrf = field_of(client.get("/").text, "csrf")
    for _ in range(2):
        client.post(
            "/begin",
            data={"csrf": csrf, "agree": "yes"},
            headers={"x-forwarded-for": "203.0.113.9, 10.0.0.1"},
        )
    assert len(notes) == told and all("--proxy" in note and address not in note for note in notes)
