"""Who administers: tokens, roles, users and their sessions; and what they did."""

from corral.http.admin.endpoint import Endpoint
from corral.http.admin.resources import audit, roles, sessions, tokens, users
from corral.service.access.permission import Freely
from corral.service.access.permission import Permission as May

ENDPOINTS = (
    Endpoint("GET", "/tokens", May.ACCESS_READ, tokens.list_tokens, "Bearer tokens of this API"),
    Endpoint("POST", "/tokens", May.ACCESS_WRITE, tokens.create_token, "Make a bearer token", 201, refuses=(404,)),
    Endpoint("DELETE", "/tokens/{token}", May.ACCESS_WRITE, tokens.revoke_token, "Revoke a bearer token", 204),
    Endpoint("GET", "/roles", May.ACCESS_READ, roles.list_roles, "Roles: sets of permissions"),
    Endpoint("GET", "/roles/{role}", May.ACCESS_READ, roles.show_role, "One role"),
    Endpoint("POST", "/roles", May.ACCESS_WRITE, roles.create_role, "Make a role", 201),
    Endpoint(
        "PUT",
        "/roles/{role}",
        May.ACCESS_WRITE,
        roles.change_role,
        "Say anew what a role allows",
        edits="/roles/{role}",
    ),
    Endpoint(
        "DELETE",
        "/roles/{role}",
        May.ACCESS_WRITE,
        roles.remove_role,
        "Remove a role that nobody has",
        204,
        edits="/roles/{role}",
    ),
    Endpoint("GET", "/audit", May.AUDIT_READ, audit.list_audit, "Who did what, newest first"),
    Endpoint("GET", "/audit/chain", May.AUDIT_READ, audit.list_chain, "The audit trail as it is linked, oldest first"),
    Endpoint("GET", "/audit/verification", May.AUDIT_READ, audit.verify_audit, "Whether the audit trail holds"),
    Endpoint("GET", "/users", May.ACCESS_READ, users.list_users, "People who administer"),
    Endpoint("POST", "/users", May.ACCESS_WRITE, users.add_user, "Add somebody who administers", 201, refuses=(404,)),
    Endpoint("GET", "/users/{user}", May.ACCESS_READ, users.show_user, "One of them, by name or id"),
    Endpoint(
        "POST",
        "/users/{user}/password",
        May.ACCESS_WRITE,
        users.set_user_password,
        "Set a new password",
        204,
        edits="/users/{user}",
    ),
    Endpoint(
        "POST",
        "/users/{user}/role",
        May.ACCESS_WRITE,
        users.set_user_role,
        "Give a user another role",
        edits="/users/{user}",
    ),
    Endpoint(
        "POST",
        "/users/{user}/disable",
        May.ACCESS_WRITE,
        users.disable_user,
        "Let a user in no more",
        edits="/users/{user}",
    ),
    Endpoint(
        "POST",
        "/users/{user}/enable",
        May.ACCESS_WRITE,
        users.enable_user,
        "Let a user in again",
        edits="/users/{user}",
    ),
    Endpoint("POST", "/sessions", Freely.ANYBODY, sessions.begin_session, "Sign in", 201, refuses=(401, 409, 429)),
    Endpoint("GET", "/sessions", May.ACCESS_READ, sessions.list_user_sessions, "Who is signed in"),
    Endpoint("GET", "/sessions/current", Freely.SIGNED_IN, sessions.who_am_i, "Who you are, and what you may do"),
    Endpoint(
        "DELETE", "/sessions/current", Freely.SIGNED_IN, sessions.end_own_session, "Sign out", 204, refuses=(404,)
    ),
    Endpoint(
        "POST",
        "/sessions/current/password",
        Freely.SIGNED_IN,
        sessions.change_own_password,
        "Change your password",
        204,
        refuses=(429,),
    ),
    Endpoint("DELETE", "/sessions/{session}", May.ACCESS_WRITE, sessions.end_session, "Sign somebody out", 204),
    Endpoint(
        "POST",
        "/sign-ins",
        Freely.ANYBODY,
        sessions.begin_sign_in,
        "Sign in with the identity provider",
        201,
        refuses=(409, 502),
    ),
    Endpoint(
        "GET",
        "/sign-ins/callback",
        Freely.ANYBODY,
        sessions.come_back_from_sign_in,
        "Where the identity provider sends the browser back to",
        refuses=(401, 404, 409, 429, 502),
    ),
)
