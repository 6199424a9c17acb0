"""Serve a study to raters' browsers until it is stopped."""

import secrets
from collections.abc import Callable
from pathlib import Path

import uvicorn

from frameweave.progress import SILENT, Progress
from frameweave.serving.limits import Limiter
from frameweave.serving.listening import address_of, listening_at
from frameweave.serving.patience import Impatient
from frameweave.serving.until_stopped import serve_until_stopped
from frameweave.study.design import Design
from frameweave.study.folder import ANSWERS, SECRET, read_design
from frameweave.study.options import StudyServeOptions
from frameweave.study.server.app import make_app
from frameweave.study.server.places import Callers, proxies_of
from frameweave.study.server.security import Signer
from frameweave.study.server.site import Site
from frameweave.study.server.storage import Store


def serve(
    folder: Path,
    options: StudyServeOptions,
    *,
    admin: str | None = None,
    progress: Progress = SILENT,
    started: Callable[[str], None] = lambda _url: None,
) -> None:
    """Serve until SIGINT or SIGTERM. `admin` is the token for the results' pages; a new one by default.

    Raises `InputError` for a proxy that cannot be found, `DataError` for a folder without a whole study,
    `RunError` for a taken port, a database that cannot be used, and a study that was changed after it got
    answers.
    """
    proxies = None if options.proxy is None else proxies_of(options.proxy)
    design = read_design(folder)
    store = open_store(folder, design, options.database)
    listening = listening_at(options.host, options.port)
    token = admin or secrets.token_urlsafe(18)
    site = Site(
        design=design,
        store=store,
        folder=folder,
        signer=Signer.kept_in(folder / SECRET),
        admin=token,
        secure=options.secure,
        prefix=options.prefix,
        callers=Callers(progress.note),
        enrolments=Limiter(
            burst=max(20, options.enrolments_per_minute), per_minute=options.enrolments_per_minute
        ),
    )
    address = f"{address_of(options.host, listening)}{options.prefix}"
    progress.note(f"raters begin on {address}/")
    if admin is None:
        progress.note(f"results stand on {address}/admin, the token is {token}")
    started(address)
    config = uvicorn.Config(
        make_app(site),
        log_level="warning",
        access_log=False,  # it would hold addresses
        server_header=False,
        proxy_headers=proxies is not None,
        forwarded_allow_ips=proxies,
        timeout_keep_alive=30,
        http=Impatient,
        ws="none",
    )
    try:
        serve_until_stopped(config, listening)
        progress.note("the study ends; every answer is kept, and the same command goes on")
    finally:
        listening.close()
        store.close()


def open_store(folder: Path, design: Design, database: str | None) -> Store:
    """The answers to a design, in the study's folder unless a database is named."""
    url = database or f"sqlite:///{(folder / ANSWERS).absolute()}"
    return Store(url, design)
