from datetime import UTC, datetime

import pytest

from corral.pki.authority import Authority, create_authority


@pytest.fixture(scope="session")
def authority() -> Authority:
    return create_authority("somebody's", datetime.now(UTC))
