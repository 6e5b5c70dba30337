"""What is a secret among the keys of Apple's schema, and what only sounds like one."""

from collections.abc import Iterable

import pytest

from corral.apple.catalog import KeySpec, answer_keys, answers_with_secrets, is_secret, spec, specs


def every(keys: Iterable[KeySpec]) -> Iterable[KeySpec]:
    for each in keys:
        yield each
        yield from every(each.keys)


@pytest.mark.parametrize(
    ("request_type", "key"),
    [
        ("ClearPasscode", "UnlockToken"),
        ("DeviceLock", "PIN"),
        ("EraseDevice", "MDMProfileData"),
        ("EraseDevice", "BootstrapToken"),
        ("RequestMirroring", "Password"),
        ("SetAutoAdminPassword", "passwordHash"),
        ("SetRecoveryLock", "NewPassword"),
        ("ApplyRedemptionCode", "RedemptionCode"),
    ],
)
def test_a_secret_of_a_command_is_known(request_type: str, key: str) -> None:
    facts = spec(request_type)
    assert facts is not None
    assert key in {each.name for each in every(facts.keys)}
    assert is_secret(key)


def test_what_sounds_like_a_secret_in_a_command_is_one_or_a_fact() -> None:
    """Whoever finds a new key here says which it is."""
    found = {each.name for command in specs() for each in every(command.keys) if is_secret(each.name)}
    assert found >= {"PIN", "Password", "NewPassword", "CurrentPassword", "UnlockToken", "RedemptionCode"}
    assert not {"Message", "PhoneNumber", "Identifier", "Queries", "KeyType"} & found


@pytest.mark.parametrize(
    "key", ["ActivationLockBypassCode", "UnlockToken", "EncryptedNewRecoveryKey", "NewRecoveryKey"]
)
def test_a_secret_of_an_answer_is_known(key: str) -> None:
    assert is_secret(key)


def test_answers_that_hold_secrets_are_those_that_the_schema_describes_so() -> None:
    """Of these commands the schema has such a key, of truths and dictionaries apart; a list of names is none either."""
    sound = {
        each.request_type
        for each in specs()
        for key in every(answer_keys(each.request_type))
        if is_secret(key.name) and key.type in ("string", "data")
    }
    assert sound - {each.request_type for each in specs() if answers_with_secrets(each.request_type)} == {
        "DeviceInformation",  # PushToken, which is of no use without the key that pushes
        "ManagedApplicationList",  # UnusedRedemptionCode, of App Store apps that were bought by code
    }


def test_a_period_of_grace_is_none() -> None:
    assert not is_secret("PasscodeLockGracePeriod")


def test_which_answers_hold_secrets() -> None:
    assert answers_with_secrets("ActivationLockBypassCode")
    assert not answers_with_secrets("DeviceInformation")
    assert {each.request_type for each in specs() if answers_with_secrets(each.request_type)} == {
        "ActivationLockBypassCode",
        "RequestUnlockToken",
        "RotateFileVaultKey",
        "SecurityInfo",
    }
