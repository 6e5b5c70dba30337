"""The language of questions: what is written reads as the same, and what is no question is refused with its place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.apple.inventory.value import LONGEST as LONGEST_VALUE
from corral.inventory.asking import read_question, write_question
from corral.inventory.question import (
    DEEPEST,
    LONGEST,
    MOST_TERMS,
    Age,
    And,
    Compare,
    Everything,
    Has,
    IsKnown,
    Moment,
    Not,
    OneOf,
    Operator,
    Or,
    Question,
    QuestionError,
)
from inventory.questions import questions

BELOW, EQUAL = Operator.BELOW, Operator.EQUAL


@given(questions())
def test_what_is_written_reads_as_the_same_question(question: Question) -> None:
    assert read_question(write_question(question)) == question


@given(
    st.text(alphabet=st.sampled_from('abos_version.appnotidhk<>=!~()," \\0159d-'), max_size=60) | st.text(max_size=80)
)
def test_any_text_is_a_question_or_refused_with_its_place(text: str) -> None:
    refused = None
    try:
        read_question(text)
    except QuestionError as error:
        refused = error
    assert refused is None or (0 <= refused.place <= len(text) and "\n" not in str(refused))


def of_app(field: str, operator: Operator, value: object) -> Compare:
    return Compare(field, operator, value, "app")  # pyright: ignore[reportArgumentType]


X = of_app("identifier", EQUAL, "com.example.x")
OLD = of_app("version", BELOW, "2")


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("", Everything()),
        ("  ", Everything()),
        ("filevault", Compare("filevault", EQUAL, True)),
        ("FileVault = NO", Compare("filevault", EQUAL, False)),
        ("not filevault", Not(Compare("filevault", EQUAL, True))),
        ("name is unknown", Not(IsKnown("name"))),
        ("serial in (a, \"b c\")", OneOf("serial", ("a", "b c"))),
        ("last_seen > 30d", Compare("last_seen", Operator.ABOVE, Age(30 * 86_400_000))),
        ("last_seen < +2h", Compare("last_seen", BELOW, Moment(2 * 3_600_000))),
        ("certificate.not_after < NOW", Has("certificate", Compare("not_after", BELOW, Moment(0), "certificate"))),
        ("filevault = off", Compare("filevault", EQUAL, False)),
        ("platform = MACOS", Compare("platform", EQUAL, "MACOS")),
        ("platform ~ iP", Compare("platform", Operator.CONTAINS, "iP")),
        ('serial = "C39*"', Compare("serial", EQUAL, "C39*")),
        ("reported.SecurityInfo > 14d", Compare("reported.securityinfo", Operator.ABOVE, Age(14 * 86_400_000))),
        ("last_seen<2026-01-01", Compare("last_seen", BELOW, 1_767_225_600_000)),
        ("has app", Has("app")),
        ("has app com.example.x", Has("app", X)),
        ("app.identifier = com.example.x", Has("app", X)),
        ("app.identifier = com.example.x and app.version < 2", Has("app", And((X, OLD)))),
        ("app.version < 2 and filevault and app.version is known and app.identifier = com.example.x",
         And((Has("app", And((OLD, IsKnown("version", "app"), X))), Compare("filevault", EQUAL, True)))),
        ("app.identifier = com.example.x and (app.version < 2)", And((Has("app", X), Has("app", OLD)))),
        ("app.identifier = com.example.x or app.version < 2", Or((Has("app", X), Has("app", OLD)))),
        ("not app.version < 2 and app.identifier = com.example.x", And((Not(Has("app", OLD)), Has("app", X)))),
        ("has app (identifier = com.example.x and not version < 2)", Has("app", And((X, Not(OLD))))),
        (
            "platform = macOS and os_version < 15.3 and not filevault or supervised",
            Or(
                (
                    And(
                        (
                            Compare("platform", EQUAL, "macOS"),
                            Compare("os_version", BELOW, "15.3"),
                            Not(Compare("filevault", EQUAL, True)),
                        )
                    ),
                    Compare("supervised", EQUAL, True),
                )
            ),
        ),
    ],
)  # fmt: skip
def test_how_a_question_is_read(text: str, question: Question) -> None:
    assert read_question(text) == question


@pytest.mark.parametrize(
    ("text", "place", "why"),
    [
        ("os_versoin < 15", 0, "'os_versoin' is no field, but os_version is"),
        ("name", 4, "compared with something"),
        ("name =", 6, "a value is missing"),
        ("name contains Bea", 5, "`~` is: has this in it"),
        ("os_version between 15 and 16", 11, "os_version takes = != < <= > >=, `in (...)` and `is known`"),
        ("battery < 0.2", 0, "'battery' is no field, but has_battery, battery_level are"),
        ("user = bob", 0, "but a kind of item: `has user`, `user.name = ...`"),
        ("ram > 8", 0, "'ram' is no field; see"),
        ("platform = iPadOS", 11, "no platform; there are iOS (iPadOS too), macOS, tvOS, visionOS, watchOS"),
        ("platform in (macOS, iPad)", 20, "no platform"),
        ("state = gone", 8, "no state; there are connected, ending, ended"),
        (
            "certificate.not_after < 30d",
            24,
            "not_after lies ahead, and 30d is an age: `< +30d` is in less than that, `< now` is over",
        ),
        ("last_seen = now", 12, "ages and moments are compared by"),
        ("serial = C39*", 9, "write `serial ~ ...`, or it in quotation marks"),
        ("os_version = 15.*", 13, "write `os_version >= 15 and os_version < 16`"),
        ("filevault == yes", 10, "'==' means nothing here; write `=`"),
        ("supervised && filevault", 11, "write `and`"),
        ("!filevault", 0, "write `not`"),
        ("capacity_free < 10GB", 16, "'10GB' is no number; capacity_free: Free capacity (GB)"),
        ("capacity < big", 11, "'big' is no number"),
        ("capacity = 1_0", 11, "no number"),
        ("capacity = 1e999", 11, "no number"),
        ("filevault = maybe", 12, "neither yes nor no"),
        ("filevault < yes", 12, "neither is the larger"),
        ("os_version < new", 13, "no version"),
        ("os_version ~ 15", 13, "`~` is for text"),
        ("last_seen < yesterday", 12, "neither a time"),
        ("last_seen = 3d", 12, "ages and moments are compared by"),
        ("last_seen in (3d)", 14, "ages and moments are compared by"),
        ("last_seen < 0001-01-01T00:00:00+14:00", 12, "neither a time"),
        ("(filevault", 10, "`)` is missing"),
        ("filevault supervised", 10, "one too many"),
        ("name = Bea's iPad", 13, "put text with blanks in quotation marks"),
        ("filevault and", 13, "something is missing"),
        ("has nothing", 4, "no kind of item; there are app"),
        ("has app (has app)", 13, "a app has no items"),
        ("app.size > 3", 0, "'size' is no field of app"),
        ('name = "open', 7, "a quotation mark without its end"),
        ("name is red", 8, "`is` goes on with"),
        (f"name = {'x' * (LONGEST_VALUE + 1)}", 7, "256 characters at most"),
        ("(" * (DEEPEST + 1) + "filevault" + ")" * (DEEPEST + 1), DEEPEST + 1, "levels of parentheses"),
        ("not " * (DEEPEST + 1) + "filevault", 4 * DEEPEST, "levels of `not`"),
        (" or ".join(["filevault"] * (MOST_TERMS + 1)), 13 * MOST_TERMS, f"more than {MOST_TERMS} terms"),
        ("filevault " * (LONGEST // 10 + 1), LONGEST, f"{LONGEST} characters at most"),
    ],
)
def test_what_is_no_question_is_told_why_and_where(text: str, place: int, why: str) -> None:
    with pytest.raises(QuestionError) as caught:
        read_question(text)
    assert why in str(caught.value)
    assert caught.value.place == place
