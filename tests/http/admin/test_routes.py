"""The table of addresses: put together of all its files, and every address can be reached."""

import re
from importlib import import_module
from pkgutil import iter_modules

import pytest

from corral.http.admin import routes
from corral.http.admin.app import by_path
from corral.http.admin.endpoint import Endpoint

SUBJECTS = sorted(each.name for each in iter_modules(routes.__path__))


def of(subject: str) -> tuple[Endpoint, ...]:
    return import_module(f"{routes.__name__}.{subject}").ENDPOINTS


@pytest.mark.parametrize("subject", SUBJECTS)
def test_every_file_of_addresses_is_served(subject: str) -> None:
    assert of(subject)
    assert not [each.path for each in of(subject) if each not in routes.ENDPOINTS]


def test_nothing_stands_in_the_table_twice() -> None:
    assert len(routes.ENDPOINTS) == sum(len(of(subject)) for subject in SUBJECTS)
    assert len({(each.method, each.path) for each in routes.ENDPOINTS}) == len(routes.ENDPOINTS)


def test_no_address_is_hidden_by_one_before_it() -> None:
    """The first path that fits is taken, whatever its methods."""
    paths = list(by_path())
    for place, path in enumerate(paths):
        fits = [each for each in paths[:place] if re.fullmatch(re.sub(r"\{[a-z_]+\}", "[^/]+", each), path)]
        assert not fits, f"{path} comes after {fits[0]}"
