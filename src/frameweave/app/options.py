"""Settings of `frameweave app`. Nothing heavy is imported here, so that `--help` answers at once."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from frameweave.editing.model_options import Dtype
from frameweave.runs.settings import Count, InputPath, Settings

CHOSEN = ("out", "overwrite", "resume", "cache", "preview", "preview_every")
"""Settings of an edit that the app chooses."""


class AppOptions(Settings):
    """Where the app is served, where its runs go, and what its form begins with."""

    host: str = "127.0.0.1"
    """Address to listen on. Any other than this machine's own, such as 0.0.0.0, needs --password-file."""
    port: Annotated[int, Field(ge=0, le=65535)] = 7860
    """Port to listen on; 0 takes a free one."""
    host_name: tuple[str, ...] = ()
    """A name by which browsers reach this machine, such as lab.example.org, beside its addresses and its own
    name. It may be given several times."""
    password_file: InputPath | None = None
    """A text file with the password that browsers and programs are asked for; any user name will do. Without
    HTTPS the network can read it."""
    runs: Path = Path("runs")
    """The folder of the runs, which are the app's history, and of uploaded videos."""
    upload_limit: Count = 200
    """Largest size of an uploaded file, in MB of 10^6 bytes."""
    model: str = "miniature"
    """The model that the form begins with: "miniature", a diffusers folder, a single safetensors file, or a
    hub id (owner/name)."""
    dtype: Dtype = "fp32"
    """Floating-point precision that the form begins with."""
    device: str = "auto"
    """Where models run: auto, cpu, cuda or mps; auto takes a GPU if there is one."""
    open: bool = False
    """Open the app in a browser of this machine."""
