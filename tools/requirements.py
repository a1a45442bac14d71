"""Prints what pyproject.toml asks for: ``python tools/requirements.py EXTRA...``, one requirement a line.

For `make`, which installs the tools before there is a package to install.
"""

import sys
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
wanted = [
    *project["dependencies"],
    *(line for extra in sys.argv[1:] for line in project["optional-dependencies"][extra]),
]
print("\n".join(dict.fromkeys(wanted)))
