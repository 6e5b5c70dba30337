"""What admission is told of a device's assignment."""

import json
from dataclasses import replace
from pathlib import Path

from contract import values as v
from corral.service.ade.assignments import Assignment, ListedAssignments
from kept_databases import fresh_sqlite

WEB_URL = "https://mdm.example.org/enroll/automated/web"


async def test_a_device_is_assigned_while_apple_lists_it_with_a_profile(tmp_path: Path) -> None:
    async with fresh_sqlite(tmp_path / "corral.db", b"k" * 32) as store:
        assigned = ListedAssignments(store.ade, WEB_URL)
        await store.ade.put_server(v.ade_server("first"))
        await store.ade.put_server(v.ade_server("second"))
        device = v.ade_device("S1", "second", profile_uuid="P1", profile_status="assigned")
        assert await assigned.find("S1") is None
        await store.ade.take([device], None)
        assert await assigned.find("S1") == Assignment(serial_number="S1", source="assignment:second")
        assert await assigned.find("s1") is None
        for url, must_sign_in in ((WEB_URL, True), ("https://elsewhere.example.org/", False)):
            document = json.dumps({"configuration_web_url": url})
            await store.ade.put_profile(v.ade_profile(server="second", uuid="P1", document=document))
            found = await assigned.find("S1")
            assert found is not None
            assert found.must_sign_in == must_sign_in
        await store.ade.take([replace(device, profile_uuid="")], None)
        assert await assigned.find("S1") is None, "nobody wants it to enroll"
        await store.ade.take([replace(device, deleted_at=v.NOW)], None)
        assert await assigned.find("S1") is None, "it is another server's now"
