"""`tieline` and `python -m tieline`."""

import sys

from tieline.cli.main import run


def main() -> None:
    sys.exit(run())


if __name__ == "__main__":
    main()
