"""The examples of a document: commands with what they print."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
# In a document, this stands for text that differs each time.
ANYTHING = "…"
END = "--- end of the output ---"


@dataclass(frozen=True)
class Example:
    """A command and all that it prints, where it stands."""

    line: int
    command: str
    output: str


def examples(document: Path) -> list[Example]:
    """The commands of a document's ```console blocks."""
    found: list[Example] = []
    for block in re.finditer(r"^```console\n(.*?)^```$", document.read_text(), re.MULTILINE | re.DOTALL):
        line = document.read_text()[: block.start(1)].count("\n") + 1
        for part in re.split(r"^\$ ", block[1], flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append(Example(line, command, output.strip()))
            line += part.count("\n")
    return found


def is_as_shown(output: str, shown: str) -> bool:
    """True if an output is as the document shows it, blanks at the ends of lines aside.

    >>> is_as_shown("key_1. Kept.", "key_…. Kept.")
    True
    """
    pattern = ".*".join(re.escape(_trimmed(part)) for part in shown.split(ANYTHING))
    return re.fullmatch(pattern, _trimmed(output), re.DOTALL) is not None


def _trimmed(text: str) -> str:
    return re.sub(r"[ \t]+$", "", text.strip("\n"), flags=re.MULTILINE)


class Shell:
    """One shell for all examples of a document, as a reader would use."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            ["bash", "--norc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=ROOT,
            env=environment,
        )

    def run(self, command: str) -> str:
        """The output of the command, stdout and stderr together."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{{ {command}\n}} </dev/null\necho; echo '{END}'\n")
        self._process.stdin.flush()
        lines: list[str] = []
        for line in self._process.stdout:
            if line.rstrip("\n") == END:
                break
            lines.append(line)
        return "".join(lines).strip("\n")

    def close(self) -> None:
        """End the shell."""
        self._process.communicate()
