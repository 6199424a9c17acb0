"""Address, key and model from the environment: what is refused, and that no message shows the key."""

import os

import pytest

from caption_server import KEY
from frameweave.data.captions.endpoint import Endpoint
from frameweave.errors import InputError

SOUND = {
    "OPENAI_API_KEY": KEY,
    "FRAMEWEAVE_CAPTION_MODEL": "m/one:2",
    "OPENAI_BASE_URL": "https://host.example/v1",
}


def test_all_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SOUND.items():
        monkeypatch.setenv(name, value)
    endpoint = Endpoint.from_environment(os.environ)
    assert (endpoint.base_url, endpoint.model, endpoint.key) == ("https://host.example/v1", "m/one:2", KEY)
    assert (endpoint.host, endpoint.local) == ("host.example", False)
    assert KEY not in repr(endpoint)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"FRAMEWEAVE_CAPTION_MODEL": ""}, "FRAMEWEAVE_CAPTION_MODEL is not set"),
        ({"FRAMEWEAVE_CAPTION_MODEL": "a\nb"}, "FRAMEWEAVE_CAPTION_MODEL is no model's name"),
        ({"FRAMEWEAVE_CAPTION_MODEL": KEY}, "FRAMEWEAVE_CAPTION_MODEL is no model's name"),
        ({"OPENAI_API_KEY": ""}, "OPENAI_API_KEY is not set"),
        ({"OPENAI_API_KEY": KEY + "\n"}, "OPENAI_API_KEY holds blanks"),
        ({"OPENAI_API_KEY": f"{KEY} x"}, "OPENAI_API_KEY holds blanks"),
        ({"OPENAI_API_KEY": KEY + "é"}, "OPENAI_API_KEY holds blanks"),
        ({"OPENAI_BASE_URL": "ftp://host.example"}, "not an http or https address"),
        ({"OPENAI_BASE_URL": KEY}, "not an http or https address"),
        ({"OPENAI_BASE_URL": "file:///etc/passwd"}, "not an http or https address"),
        ({"OPENAI_BASE_URL": "https://my host/v1"}, "not an http or https address"),
        ({"OPENAI_BASE_URL": "https://h\u00f6st.example/v1"}, "not an http or https address"),
        ({"OPENAI_BASE_URL": "https://[::1"}, "not an http or https address"),
        ({"OPENAI_BASE_URL": "https://host.example:port/v1"}, "not an http or https address"),
        ({"OPENAI_BASE_URL": f"https://me:{KEY}@host.example/v1"}, "host.example has a user name"),
        ({"OPENAI_BASE_URL": f"https://host.example/v1?key={KEY}"}, "a query"),
        ({"OPENAI_BASE_URL": "http://host.example/v1"}, "host.example unencrypted"),
        ({"OPENAI_BASE_URL": "http://localhost.example/v1"}, "unencrypted"),
        ({"OPENAI_BASE_URL": "http://10.0.0.1/v1"}, "unencrypted"),
    ],
)
def test_what_is_refused(change: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        Endpoint.from_environment(SOUND | change)
    assert KEY not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.3.2.1", "[::1]", "localhost:8000"])
def test_this_machine_needs_no_encryption(host: str) -> None:
    assert Endpoint.from_environment(SOUND | {"OPENAI_BASE_URL": f"http://{host}/v1"}).local


@pytest.mark.parametrize("host", ["192.168.1.5:8000", "10.0.0.1", "gpu-box.local", "[fe80::1]"])
def test_a_server_of_the_own_network_is_taken_when_it_is_asked_for(host: str) -> None:
    address = SOUND | {"OPENAI_BASE_URL": f"http://{host}/v1"}
    with pytest.raises(InputError, match="--allow-http"):
        Endpoint.from_environment(address)
    endpoint = Endpoint.from_environment(address, allow_http=True)
    assert (endpoint.base_url, endpoint.local) == (f"http://{host}/v1", False)


def test_without_an_address_it_is_the_usual_one() -> None:
    assert Endpoint.from_environment(SOUND | {"OPENAI_BASE_URL": ""}).base_url.startswith("https://")


def test_a_piece_of_the_key_shows_it() -> None:
    endpoint = Endpoint.from_environment(SOUND)
    assert endpoint.shows_key(f"bad key {KEY[5:13]}...")
    assert not endpoint.shows_key("a car on the moon")
    word = Endpoint.from_environment(SOUND | {"OPENAI_API_KEY": "ollama"})
    assert not word.shows_key("ollama")
