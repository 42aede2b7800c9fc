"""All measurements on one stage, and one table. `--fresh` fills the database anew."""

import sys

import growth
import links
import lookups
import parse
import transfers
from figures import show
from stage import stage

import batches


def main() -> None:
    """Measure and print."""
    figures = parse.measure()
    with stage(fresh="--fresh" in sys.argv) as on:
        for script in (lookups, links, batches, transfers, growth):
            print(f"{script.__name__} …", file=sys.stderr)
            figures += script.measure(on)
    show(figures)


if __name__ == "__main__":
    main()
