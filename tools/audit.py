"""Looks for known faults in the pinned packages (`make audit`), and writes a bill of materials (`make sbom`).

Both work on constraints.txt with pip-audit, in an environment of its own. Where the advisories cannot be
reached nothing is known, and nothing fails.
"""

import re
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".venv-audit"
CONSTRAINTS = ROOT / "constraints.txt"
SBOM = ROOT / "build" / "sbom.json"
"""In CycloneDX's form."""
_UNREACHABLE = ("ConnectionError", "ConnectError", "Could not connect", "Connection to", "ServiceError")
_LONGEST = 300
"""Seconds, for all packages together."""
_UNKNOWN = "could not be audited"
_PIN = re.compile(r"(?m)^[\w.-]+==")


def verdict(code: int, said: str, packages: int) -> tuple[int, str]:
    """What to end with and what to say, of what pip-audit ended with and said of so many packages."""
    unknown = said.count(_UNKNOWN)
    if unknown >= packages or (code and any(word in said for word in _UNREACHABLE)):
        return 0, "skipped: the advisories cannot be reached from here"
    if code:
        return code, f"{said}\nraise these versions in constraints.txt, or say there why they stay"
    left = f"; nothing is known of {unknown}" if unknown else ""
    return 0, f"no known faults in {packages - unknown} pinned packages{left}"


def main(sbom: bool) -> int:
    python = FOLDER / "bin" / "python"
    if not (FOLDER / "bin" / "pip-audit").is_file():
        venv.create(FOLDER, with_pip=True)
        command = [python, "-m", "pip", "install", "--quiet", "pip-audit>=2.10,<3"]
        install = subprocess.run(command, capture_output=True, check=False)
        if install.returncode:
            print("skipped: pip-audit cannot be installed from here")
            return 0
    command = [FOLDER / "bin" / "pip-audit", "--requirement", CONSTRAINTS, "--no-deps", "--disable-pip"]
    if sbom:
        SBOM.parent.mkdir(exist_ok=True)
        command += ["--format", "cyclonedx-json", "--output", SBOM]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_LONGEST)
    except subprocess.TimeoutExpired:
        print(f"skipped: no answer within {_LONGEST} s")
        return 0
    packages = len(_PIN.findall(CONSTRAINTS.read_text(encoding="utf-8")))
    code, said = verdict(done.returncode, done.stdout + done.stderr, packages)
    print(f"{said}\n{SBOM}" if sbom and SBOM.is_file() else said)
    return code


if __name__ == "__main__":
    sys.exit(main(sbom="--sbom" in sys.argv[1:]))
