"""Statements made of column lists: the few shapes that tables share.

Every name in them comes from this package; what comes from a request is bound as a value, always.
"""

# ruff: noqa: S608 - see above: no value gets into the text of a statement


def select(rest: str, **lists: str) -> str:
    """`SELECT a.x, a.y, b.z` and the rest, for `a="x y", b="z"`."""
    names = ", ".join(f"{alias}.{name}" for alias, columns in lists.items() for name in columns.split())
    return f"SELECT {names} {rest}"


def insert(table: str, columns: str, then: str = "") -> str:
    names = columns.split()
    places = ", ".join("?" * len(names))
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({places}) {then}"


def upsert(table: str, columns: str, key: str, **instead: str) -> str:
    """Insert, or replace every column of the row with this key; `instead` says otherwise for single columns."""
    updates = ", ".join(f"{name} = {instead.get(name, f'excluded.{name}')}" for name in columns.split() if name != key)
    return insert(table, columns, f"ON CONFLICT ({key}) DO UPDATE SET {updates}")


def update(table: str, columns: str, where: str, **instead: str) -> str:
    """Set all of these columns, in their order; then the values of `where`."""
    sets = ", ".join(f"{name} = {instead.get(name, '?')}" for name in columns.split())
    return f"UPDATE {table} SET {sets} WHERE {where}"


def any_of(count: int) -> str:
    """`(?, ?, ?)`."""
    return f"({', '.join('?' * count)})"
