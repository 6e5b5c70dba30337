"""The lines of docs/webhooks.md with which a receiver checks a signature."""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from contract import values as v
from contract.test_webhooks import webhook
from corral.service.webhooks.message import message, new_secret, shown_secret
from corral.store.events import StoredEvent

PAGE = (Path(__file__).parents[3] / "docs" / "webhooks.md").read_text()

Verify = Callable[[str, Mapping[str, str], bytes], bool]


def snippet(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def in_python(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    names: dict[str, Any] = {}
    exec(compile(snippet("python"), "docs/webhooks.md", "exec"), names)  # noqa: S102 - the page's own lines
    return names["verified"](secret, dict(headers), body)


def in_javascript(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no node")
    given = f"verified({json.dumps(secret)}, {json.dumps(dict(headers))}, Buffer.from('{body.hex()}', 'hex'))"
    code = f"{snippet('javascript')}\nprocess.exit({given} ? 0 : 9)"
    return _ended(subprocess.run([node, "-e", code], timeout=30, check=False).returncode)


def in_shell(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl")
    given = [secret, *(headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))]
    code = snippet("sh") + 'verify "$@" || exit 9'
    ran = subprocess.run(["/bin/sh", "-c", code, "sh", *given], input=body, timeout=30, check=False)
    return _ended(ran.returncode)


def _ended(code: int) -> bool:
    assert code in (0, 9)
    return code == 0


@pytest.mark.parametrize("verify", [in_python, in_javascript, in_shell])
def test_a_receiver_knows_what_is_from_us(verify: Verify) -> None:
    new, old = new_secret(), new_secret()
    stored = StoredEvent(sequence=7, event=v.event(data={"text": "Zoë's"}))
    told = message(webhook(secrets=(new, old)), stored, int(time.time() * 1000))
    for secret in (new, old):
        assert verify(shown_secret(secret), told.headers, told.body)
    assert not verify(shown_secret(new_secret()), told.headers, told.body)
    assert not verify(shown_secret(new), told.headers, told.body + b" ")
    another = {**told.headers, "webhook-id": "evt_8"}
    assert not verify(shown_secret(new), another, told.body)


@pytest.mark.parametrize("verify", [in_python, in_javascript])
def test_an_old_call_is_refused(verify: Verify) -> None:
    secret = new_secret()
    stored = StoredEvent(sequence=7, event=v.event())
    told = message(webhook(secrets=(secret,)), stored, int((time.time() - 301) * 1000))
    assert not verify(shown_secret(secret), told.headers, told.body)
