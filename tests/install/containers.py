"""The steps of a Containerfile, read as a builder would."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

INSTRUCTIONS = frozenset(
    ("FROM", "COPY", "RUN", "ENV", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD")
)


@dataclass(frozen=True)
class Step:
    """An instruction and the rest of its line."""

    word: str
    text: str

    @property
    def command(self) -> list[str]:
        """The command of an instruction that gives it as a JSON array."""
        return json.loads(self.text[self.text.index("[") :])


def steps(file: Path) -> list[Step]:
    """The instructions in their order; lines that end with a backslash go on in the next one."""
    text = re.sub(r"^#.*\n", "", file.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    found = [Step(*line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]
    assert {step.word for step in found} <= INSTRUCTIONS
    return found


def stages(found: list[Step]) -> list[list[Step]]:
    """The steps of each stage, which begins with FROM."""
    starts = [place for place, step in enumerate(found) if step.word == "FROM"]
    return [found[start:end] for start, end in zip(starts, [*starts[1:], len(found)], strict=True)]


def only(found: list[Step], word: str) -> Step:
    """The one instruction with this word."""
    [step] = [step for step in found if step.word == word]
    return step
