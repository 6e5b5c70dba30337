"""Every row of docs/answers.md is brought about against a running service."""

from collections.abc import AsyncGenerator

import httpx
import pytest
import pytest_asyncio

from e2e.account_place import place
from e2e.answers import accounts, acme, apps, automated, channel, checkin, enrolling, identity, over_the_air
from e2e.answers.register import CHECKS, Stage, rows
from e2e.installation import Installation, Template, installation

assert all(
    (accounts, acme, apps, automated, identity, checkin, channel, enrolling, over_the_air)
)  # importing them registers their checks


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage(
    over_sqlite: Installation, template: Template, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Stage]:
    refusing = {
        "CORRAL_ON_RESTORE": "refuse",
        "CORRAL_USER_AUTHENTICATION": "empty-challenge",
        "CORRAL_BREAKER_LIMIT": "4",
    }
    users = tmp_path_factory.mktemp("users") / "users"
    users.write_text(f"ada:school:{'0' * 32}\n")
    asking = {
        "CORRAL_ACCOUNT_REAUTHENTICATION": "true",
        "CORRAL_USER_AUTHENTICATION": "digest",
        "CORRAL_USER_FILE": str(users),
    }
    narrow = {"CORRAL_MANAGE_USERS": "false", "CORRAL_MAX_BODY": "65536", "CORRAL_MAX_REQUESTS": "1"}
    async with (
        installation(template, tmp_path_factory.mktemp("refusing"), refusing) as one,
        installation(template, tmp_path_factory.mktemp("narrow"), narrow, push_certificate=False) as two,
        installation(template, tmp_path_factory.mktemp("later"), plain=True) as three,
        place(template, tmp_path_factory.mktemp("accounts"), **asking) as four,
    ):
        async with httpx.AsyncClient(verify=two.tls) as browser:
            early = await browser.get(f"{await two.link()}/profile")
        await two.import_push_certificate()
        yield Stage(over_sqlite, one, two, three, four, early)


@pytest.mark.parametrize("number", sorted(CHECKS))
async def test_the_answer_is_what_the_table_says(number: int, stage: Stage) -> None:
    await CHECKS[number](stage)


def test_every_row_has_a_check_and_every_check_a_row() -> None:
    assert sorted(CHECKS) == sorted(rows())
