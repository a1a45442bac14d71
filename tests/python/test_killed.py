"""Processes killed at any moment: backups go on with the bits of an uninterrupted run, model files stay whole.

``common/killed.py`` does the work in an interpreter of its own. IRONHORN_SOAK=1, which ``make soak`` sets, kills more.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "common" / "killed.py"
TIMES = 25 if os.environ.get("IRONHORN_SOAK") else 1

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")


def run(*arguments: object) -> str:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", SCRIPT, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120 * TIMES)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.soak
@pytest.mark.parametrize(("freq", "double"), [("epoch", False), (4, True)])
def test_a_run_killed_at_random_moments_ends_with_the_bits_of_one_that_was_not(quick_folder, freq, double):
    kills = 20 * TIMES
    assert int(run("backups", quick_folder, freq, double, kills).split()[0]) >= kills


@pytest.mark.parametrize(("freq", "double"), [("epoch", True), (4, False)])
def test_a_run_that_dies_before_any_of_its_operations_on_files_goes_on(quick_folder, freq, double):
    run("crashes", quick_folder, freq, double)


@pytest.mark.soak
def test_a_kill_during_saves_leaves_the_old_or_the_new_file(quick_folder):
    run("saves", quick_folder, 50 * TIMES)
