"""What the server brings along when it starts."""

import subprocess
import sys


def test_the_server_starts_without_the_libraries_of_the_results() -> None:
    """They take seconds to load, and only the admin asks for results."""
    heavy = "{'scipy', 'numpy', 'torch', 'matplotlib', 'krippendorff'}"
    code = f"import sys, frameweave.study.server.serve; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
