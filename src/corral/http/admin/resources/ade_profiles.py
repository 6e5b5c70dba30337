"""Profiles of automated enrollment, and the rules and the default that give them out."""

import json
from datetime import datetime
from typing import Annotated, Any

from msgspec import Meta

from corral.http.admin.endpoint import Body, Call, View
from corral.http.admin.times import shown
from corral.service.errors import RequestRefused
from corral.store.ade import AdeProfile, AdeRule, RuleField


class NewAdeProfile(Body):
    """`profile`: Apple's fields under Apple's names; `profile_name` is its name here too. Without `url` this service's.

    `any_skip_key` takes panes of Setup Assistant that this program does not know.
    """

    profile: dict[str, Any]
    any_skip_key: bool = False


class AdeProfileView(View):
    server: str
    name: str
    uuid: str
    defined_at: datetime | None
    defined_by: str
    profile: dict[str, Any]


class AdeProfileList(View):
    profiles: tuple[AdeProfileView, ...]


class AdeDefault(Body):
    """Empty: devices that no rule is about get no profile."""

    profile: Annotated[str, Meta(max_length=125)]


class AdeRuleView(View):
    position: int
    field: RuleField
    pattern: str
    profile: str


class AdeRuleList(View):
    rules: tuple[AdeRuleView, ...]


class NewAdeRule(Body):
    """`pattern` may have `*` and `?`, and is compared in any case."""

    field: RuleField
    pattern: Annotated[str, Meta(min_length=1, max_length=200)]
    profile: Annotated[str, Meta(min_length=1, max_length=125)]


class NewAdeRules(Body):
    """All rules in their order: the first one that matches a device counts."""

    rules: Annotated[tuple[NewAdeRule, ...], Meta(max_length=1000)]


class AdeChanged(View):
    """For how many devices another profile is wanted now; Apple is told by the next synchronization."""

    reassigned: int


async def list_ade_profiles(call: Call, server: str) -> AdeProfileList:
    return AdeProfileList(profiles=tuple(map(_view, await call.services.ade.profiles.list(server))))


async def define_ade_profile(call: Call, server: str, body: NewAdeProfile) -> AdeProfileView:
    return _view(await call.services.ade.profiles.define(server, body.profile, body.any_skip_key, call.by))


async def redefine_ade_profile(call: Call, server: str, profile: str, body: NewAdeProfile) -> AdeProfileView:
    """It keeps its name, which `profile_name` may leave out. Who gets it is told by the next synchronization."""
    await call.services.ade.profiles.get(server, profile)
    if body.profile.get("profile_name", profile) != profile:
        raise RequestRefused(f"`profile_name` is {profile} in all versions; another name is another profile.")
    named = {**body.profile, "profile_name": profile}
    return _view(await call.services.ade.profiles.define(server, named, body.any_skip_key, call.by))


async def show_ade_profile(call: Call, server: str, profile: str) -> AdeProfileView:
    return _view(await call.services.ade.profiles.get(server, profile))


async def remove_ade_profile(call: Call, server: str, profile: str) -> None:
    await call.services.ade.profiles.remove(server, profile, call.by)


async def set_ade_default(call: Call, server: str, body: AdeDefault) -> AdeChanged:
    return AdeChanged(reassigned=await call.services.ade.profiles.set_default(server, body.profile, call.by))


async def list_ade_rules(call: Call, server: str) -> AdeRuleList:
    found = await call.services.ade.profiles.rules(server)
    return AdeRuleList(
        rules=tuple(
            AdeRuleView(position=each.position, field=each.field, pattern=each.pattern, profile=each.profile)
            for each in found
        )
    )


async def set_ade_rules(call: Call, server: str, body: NewAdeRules) -> AdeChanged:
    rules = [
        AdeRule(server=server, position=number, field=each.field, pattern=each.pattern, profile=each.profile)
        for number, each in enumerate(body.rules, 1)
    ]
    return AdeChanged(reassigned=await call.services.ade.profiles.set_rules(server, rules, call.by))


def _view(profile: AdeProfile) -> AdeProfileView:
    return AdeProfileView(
        server=profile.server,
        name=profile.name,
        uuid=profile.uuid,
        defined_at=shown(profile.defined_at),
        defined_by=profile.defined_by,
        profile=json.loads(profile.document),
    )
