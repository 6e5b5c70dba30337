"""Sessions and tokens of accounts as rows."""

from corral.store.accounts import AccountSession, AccountToken, TokenKind
from corral.store.rows import Row

SESSION = "id account subject created_at expires_at revoked_at"
TOKEN = "digest session_id kind redirect_uri expires_at spent_at"  # noqa: S105 - columns

_TOKEN_COLUMNS = len(TOKEN.split())


def session(row: Row) -> AccountSession:
    id_, account, subject, created_at, expires_at, revoked_at = row
    return AccountSession(
        id=id_,
        account=account,
        subject=subject,
        created_at=created_at,
        expires_at=expires_at,
        revoked_at=revoked_at,
    )


def session_row(value: AccountSession) -> Row:
    return value.id, value.account, value.subject, value.created_at, value.expires_at, value.revoked_at


def token_row(value: AccountToken) -> Row:
    return value.digest, value.session_id, value.kind.value, value.redirect_uri, value.expires_at, value.spent_at


def token_and_session(row: Row) -> tuple[AccountToken, AccountSession]:
    """Of the columns of a token, and then those of its session."""
    digest, session_id, kind, redirect_uri, expires_at, spent_at = row[:_TOKEN_COLUMNS]
    token = AccountToken(
        digest=digest,
        session_id=session_id,
        kind=TokenKind(kind),
        redirect_uri=redirect_uri,
        expires_at=expires_at,
        spent_at=spent_at,
    )
    return token, session(row[_TOKEN_COLUMNS:])
