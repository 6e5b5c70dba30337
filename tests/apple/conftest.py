"""Messages captured from real devices, where they lie beside the repository."""

from pathlib import Path

import pytest

_SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "apple" / "samples"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "sample" not in metafunc.fixturenames:
        return
    found = sorted(_SAMPLES.glob("*.xml"))
    parameters = found or [
        pytest.param(None, marks=pytest.mark.skip(reason=f"no captured messages in {_SAMPLES.name}"))
    ]
    metafunc.parametrize("sample", parameters, ids=lambda path: path.stem if isinstance(path, Path) else "none")
