"""`tieline` and `python -m tieline`."""

import sys

from tieline.cli import run


def main() -> None:
    sys.exit(run())


if __name__ == "__main__":
    main()
