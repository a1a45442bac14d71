"""The Python blocks of README.md run as they stand. (The Rust block is a doctest of the crate.)"""

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> list[tuple[int, str, str]]:
    """Line number, language and text of each fenced block."""
    text = README.read_text(encoding="utf-8")
    return [(text[: match.start()].count("\n") + 2, match[1], match[2]) for match in BLOCK.finditer(text)]


PYTHON = [pytest.param(line, code, id=f"line-{line}") for line, language, code in blocks() if language == "python"]


@pytest.mark.filterwarnings("ignore:.*input_shape.*:UserWarning")
@pytest.mark.parametrize(("line", "code"), PYTHON)
def test_python_block(line: int, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # The empty lines give a traceback the line numbers of README.md.
    exec(compile("\n" * (line - 1) + code, str(README), "exec"), {"__name__": "readme"})


def test_there_are_python_blocks() -> None:
    assert PYTHON


def test_every_block_names_its_language() -> None:
    assert [line for line, language, _ in blocks() if language not in {"python", "rust", "sh", "text"}] == []
