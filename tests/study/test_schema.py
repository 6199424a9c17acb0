"""Every address with every kind of odd input: no request makes the server fail."""

from pathlib import Path

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings

from frameweave.serving.limits import Limiter
from frameweave.study.folder import read_design
from frameweave.study.server.app import make_app
from frameweave.study.server.security import Signer
from frameweave.study.server.site import Site
from frameweave.study.server.storage import Store
from studies import TOKEN

_OPEN = Limiter(burst=1e9, per_minute=1e9)


@pytest.fixture(scope="module")
def app(study_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    design, answers = read_design(study_folder), tmp_path_factory.mktemp("answers")
    return make_app(
        Site(
            design=design,
            store=Store(f"sqlite:///{answers}/answers.sqlite", design),
            folder=study_folder,
            signer=Signer(b"x" * 32),
            admin=TOKEN,
            pages=_OPEN,
            logins=_OPEN,
            enrolments=_OPEN,
        )
    )


def test_no_input_makes_the_server_fail(app: FastAPI) -> None:
    schema = schemathesis.openapi.from_dict(app.openapi())  # the server itself does not publish it
    schema.app = app
    tried: list[int] = []
    for found in schema.get_all_operations():

        @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(case=found.ok().as_strategy())
        def ask(case: schemathesis.Case) -> None:
            answer = case.call()
            tried.append(answer.status_code)
            assert answer.status_code < 500, (case.method, case.formatted_path)
            assert "content-security-policy" in {name.lower() for name in answer.headers}

        ask()
    assert len(tried) > 200


def test_the_schema_knows_every_page(app: FastAPI, tmp_path: Path) -> None:
    assert set(app.openapi()["paths"]) == {
        "/", "/begin", "/resume/{token}", "/task", "/media/{trial}/{which}.mp4", "/thanks", "/forget",
        "/admin",
        "/admin/results", "/admin/answers.csv", "/admin/answers.json",
    }  # fmt: skip
