"""The ways in: links, the admission policy, and sign-ins of people with their accounts."""

from corral.http.admin.endpoint import Endpoint
from corral.http.admin.resources import account_sessions, links, policy
from corral.service.access.permission import Permission as May

ENDPOINTS = (
    Endpoint("GET", "/links", May.LINKS_READ, links.list_links, "Enrollment links"),
    Endpoint("POST", "/links", May.LINKS_WRITE, links.create_link, "Make an enrollment link", 201),
    Endpoint("GET", "/links/{link}", May.LINKS_READ, links.show_link, "One enrollment link"),
    Endpoint("DELETE", "/links/{link}", May.LINKS_WRITE, links.revoke_link, "Withdraw an enrollment link", 204),
    Endpoint(
        "POST",
        "/links/{link}/profile",
        May.LINKS_WRITE,
        links.make_profile,
        "A profile for one device under this link",
    ),
    Endpoint(
        "GET",
        "/account-sessions",
        May.ACCOUNTS_READ,
        account_sessions.list_account_sessions,
        "Sign-ins of people with their accounts",
    ),
    Endpoint(
        "DELETE",
        "/account-sessions/{session}",
        May.ACCOUNTS_WRITE,
        account_sessions.revoke_account_session,
        "End a sign-in",
        204,
    ),
    Endpoint(
        "GET",
        "/policy",
        May.POLICY_READ,
        policy.show_policy,
        "The admission policy: who may enroll, and what is told to others",
    ),
    Endpoint("PUT", "/policy", May.POLICY_WRITE, policy.put_policy, "Replace the admission policy", edits="/policy"),
    Endpoint(
        "POST",
        "/policy/test",
        May.POLICY_READ,
        policy.try_policy,
        "What would be answered to somebody who asks to be enrolled",
        refuses=(404,),
    ),
)
