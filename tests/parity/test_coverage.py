"""The page of what is covered is what the tool finds now."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_page_is_up_to_date(keras):
    spec = importlib.util.spec_from_file_location("coverage_page", ROOT / "tools" / "coverage.py")
    assert spec is not None and spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    written = tool.PAGE.read_text(encoding="utf-8")
    if f"Keras {keras.__version__} " not in written:
        pytest.skip(f"The page is of another version of Keras; this is {keras.__version__}. `make coverage` renews it")
    found = tool.page()
    differing = [line for line in found.splitlines() if line not in written.splitlines()]
    assert found == written, "run `make coverage`; new lines: " + "\n".join(differing)
