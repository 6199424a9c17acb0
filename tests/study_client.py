"""A rater without a browser: begins, answers, and tries again when the server is away."""

import http.client
import time
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urljoin, urlsplit

from studies import field_of

CRITERIA = ("alignment", "quality", "consistency")


class Client:
    """Keeps one connection and its cookies."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._place = parts.hostname or "", parts.port or 80
        self._connection: http.client.HTTPConnection | None = None
        self.cookies: dict[str, str] = {}
        self.saved: list[str] = []
        """Trials that the server said are saved."""
        self.seconds: list[float] = []
        """How long each answer took."""

    def ask(self, method: str, path: str, form: dict[str, str] | None = None) -> tuple[int, str]:
        """The status, and the page or where it leads. Raises `OSError` when the server is away."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection(*self._place, timeout=30)
        headers = {"cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if form is not None:
            headers["content-type"] = "application/x-www-form-urlencoded"
        try:
            self._connection.request(method, path, urlencode(form) if form else None, headers)
            answer = self._connection.getresponse()
            body = answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            self._connection = None
            raise OSError(str(error)) from error
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                self.cookies |= {key: morsel.value for key, morsel in SimpleCookie(value).items()}
        where = answer.getheader("location")
        return answer.status, urljoin(path, where) if where else body

    def patient(self, method: str, path: str, form: dict[str, str] | None = None) -> tuple[int, str]:
        """The same, again and again until the server is back."""
        until = time.monotonic() + 60
        while True:
            try:
                return self.ask(method, path, form)
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)

    def close(self) -> None:
        """Let the connection go."""
        if self._connection is not None:
            self._connection.close()

    def begin(self) -> None:
        """Become a rater."""
        _, page = self.patient("GET", "/")
        status, where = self.patient("POST", "/begin", {"csrf": field_of(page, "csrf"), "agree": "yes"})
        assert (status, where) == (303, "/task"), (status, where)

    def answer(self, side: str = "left") -> bool:
        """Answer the current page; False when there is none any more."""
        status, page = self.patient("GET", "/task")
        if status == 303:
            return False
        assert status == 200, page
        trial = field_of(page, "trial")
        form = {"csrf": field_of(page, "csrf"), "trial": trial, "loops": "1"} | dict.fromkeys(CRITERIA, side)
        start = time.perf_counter()
        status, where = self.patient("POST", "/task", form)
        self.seconds.append(time.perf_counter() - start)
        assert (status, where) == (303, "/task"), (status, where)
        self.saved.append(trial)
        return True
