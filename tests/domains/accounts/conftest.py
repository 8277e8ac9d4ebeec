import pytest

from tests.domains.accounts.desk import Desk


@pytest.fixture
def desk() -> Desk:
    return Desk()
