"""qnlab: instruments, procedures and keys of a quantum-network laboratory.

The rooms of the house (``drivers/``, ``instruments/``, ...) lie at the top level of the
repository and are sub-packages of ``qnlab``. An installed wheel holds them below this folder;
in a checkout they are found beside it.
"""

from pathlib import Path

__version__ = "0.1.0"

_root = Path(__file__).resolve().parent.parent
if (_root / "pyproject.toml").is_file():
    __path__.append(str(_root))
