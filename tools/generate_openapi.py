"""Writes docs/openapi.json from the route table of the admin API and its types.

PYTHONPATH=src python tools/generate_openapi.py
"""

from pathlib import Path

import msgspec

from corral.http.admin.openapi.document import describe
from corral.http.admin.routes import ENDPOINTS

FILE = Path(__file__).resolve().parent.parent / "docs" / "openapi.json"


def text() -> str:
    return msgspec.json.format(msgspec.json.encode(describe(ENDPOINTS)), indent=1).decode() + "\n"


def main() -> None:
    FILE.write_text(text())


if __name__ == "__main__":
    main()
