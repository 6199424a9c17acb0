"""`python -m frameweave`: the same command, for launchers such as `accelerate launch -m frameweave`."""

from frameweave.cli.main import run

if __name__ == "__main__":
    run()
