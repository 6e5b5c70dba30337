"""The addresses of signing in and enrolling with accounts."""

from typing import Literal

from starlette.routing import BaseRoute, Route

from corral.http.device.accounts.challenge import AsWeb, Challenge, OAuth2
from corral.http.device.accounts.discovery import BASE_PATHS, PATH, Discovery
from corral.http.device.accounts.enrolling import AccountPages
from corral.http.device.accounts.signing_in import (
    AUTHORIZE_PATH,
    CALLBACK_PATH,
    CLIENT_ID,
    SCOPE,
    SIGN_IN_PATH,
    SSO_PATH,
    TOKEN_PATH,
    SignInPages,
)
from corral.http.device.setup_web import SetupWeb
from corral.lifecycle.state import EnrollmentKind
from corral.service.accounts.accounts import Accounts
from corral.service.accounts.signing_in import REDIRECT_URL
from corral.service.ade.assignments import WEB_PATH
from corral.service.enrollment.admitting import Admitting
from corral.service.enrollment.applicants import Applicants


def make_challenge(method: Literal["as-web", "oauth2"], public_url: str, *, sso: bool) -> Challenge:
    url = public_url.rstrip("/")
    way = (
        AsWeb(url + SIGN_IN_PATH)
        if method == "as-web"
        else OAuth2(url + AUTHORIZE_PATH, url + TOKEN_PATH, REDIRECT_URL, CLIENT_ID, SCOPE)
    )
    return Challenge(way, url + SSO_PATH if sso else None)


def account_routes(
    accounts: Accounts,
    admitting: Admitting,
    applicants: Applicants,
    challenge: Challenge,
    public_url: str,
    sso: bytes | None,
) -> list[BaseRoute]:
    """`sso` is the Enrollment SSO document, if there is one."""
    discovery = Discovery(accounts.enrolling, public_url, sso)
    enroll = AccountPages(accounts.enrolling, applicants, challenge)
    people = SignInPages(accounts.signing_in, accounts.sessions, accounts.enrolling)
    setup = SetupWeb(applicants, admitting, people)
    return [
        Route(WEB_PATH, setup.begin),
        Route(PATH, discovery.servers),
        Route(SSO_PATH, discovery.sso),
        Route(BASE_PATHS[EnrollmentKind.ACCOUNT_USER], enroll.user, methods=["POST"]),
        Route(BASE_PATHS[EnrollmentKind.ACCOUNT_DEVICE], enroll.device, methods=["POST"]),
        Route(SIGN_IN_PATH, people.sign_in),
        Route(AUTHORIZE_PATH, people.authorize),
        Route(CALLBACK_PATH, people.callback),
        Route(TOKEN_PATH, people.token, methods=["POST"]),
    ]
