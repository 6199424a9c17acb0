"""Where a model is asked: address, key and name, from the environment only. The key is never shown."""

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from frameweave.data.text import cleaned
from frameweave.errors import InputError

KEY, BASE_URL, MODEL = "OPENAI_API_KEY", "OPENAI_BASE_URL", "FRAMEWEAVE_CAPTION_MODEL"
_USUAL_URL = "https://api.openai.com/v1"
_PIECE = 8  # characters of the key that give it away


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """An OpenAI-compatible endpoint."""

    base_url: str
    model: str
    key: str = field(repr=False)

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] = os.environ, *, allow_http: bool = False
    ) -> "Endpoint":
        """`allow_http` takes an unencrypted address of another machine.

        Raises `InputError` that names the variable which is missing or wrong, never its value."""
        model = environment.get(MODEL, "")
        if not model:
            raise InputError(
                f"{MODEL} is not set",
                hint="put the model's name there, or make the prompts with --rules",
            )
        key = environment.get(KEY, "")
        if not key:
            raise InputError(
                f"{KEY} is not set",
                hint="put the endpoint's key there (local servers take any word), or give --rules",
            )
        if not re.fullmatch(r"[!-~]+", key):
            raise InputError(
                f"{KEY} holds blanks or characters other than plain ASCII", hint="copy the key again"
            )
        if cleaned(model) != model or len(model) > 200 or key in model:
            raise InputError(f"{MODEL} is no model's name", hint="give the name as the endpoint lists it")
        base_url = environment.get(BASE_URL) or _USUAL_URL
        _check_url(base_url, allow_http=allow_http)
        return cls(base_url=base_url, model=model, key=key)

    @property
    def host(self) -> str:
        """The address without its path, for messages."""
        return urlsplit(self.base_url).hostname or ""

    @property
    def local(self) -> bool:
        """Whether it runs on this machine."""
        return _is_loopback(self.host)

    def shows_key(self, text: str) -> bool:
        """Whether a text holds a telling piece of the key. Local servers' keys, a word, tell nothing."""
        pieces = (self.key[start : start + _PIECE] for start in range(len(self.key) - _PIECE + 1))
        return len(self.key) >= 2 * _PIECE and any(piece in text for piece in pieces)


def _check_url(text: str, *, allow_http: bool) -> None:
    try:
        url = urlsplit(text)
        host, scheme, _ = url.hostname, url.scheme, url.port
    except ValueError:
        host, scheme, url = None, "", urlsplit("")
    if not host or not re.fullmatch(r"[a-z0-9._:-]+", host) or scheme not in ("http", "https"):
        raise InputError(f"{BASE_URL} is not an http or https address", hint="such as https://host/v1")
    if url.username is not None or url.password is not None or url.query or url.fragment:
        raise InputError(
            f"{BASE_URL} for {host} has a user name, a query or a fragment",
            hint=f"give the plain address, and the key in {KEY}",
        )
    if scheme == "http" and not (allow_http or _is_loopback(host)):
        raise InputError(
            f"{BASE_URL} sends the key to {host} unencrypted",
            hint="give its https address; for a server of your own network give --allow-http",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
