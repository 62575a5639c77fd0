"""Users: accounts, roles and counts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from fixture_types import AtOnce, CountQueries, MakeUser
from services.browser import begin_session
from taskadmin.errors import InvalidUsername, LastSuperuser, UsernameTaken
from taskadmin.models import User
from taskadmin.settings import Settings
from taskadmin.store.people import audit, sessions, users
from taskadmin.store.people.audit import Actor, Filter
from taskadmin.store.people.usernames import normalize_username

LIMITS = Settings().session_limits


def test_a_new_user_has_no_rights(session: Session) -> None:
    """Only superusers grant roles."""
    user = users.create_user(session, "ada", password_hash="hash")
    assert (user.is_active, user.is_superuser, user.can_review_tasks) == (True, False, False)
    assert (user.may_manage, user.may_review) == (False, False)


def test_a_user_is_found_however_the_name_is_capitalised(
    session: Session, make_user: MakeUser
) -> None:
    """Lookup and uniqueness use the same key."""
    ada = make_user("Áda")
    assert users.find_user(session, "  áDA ") is ada
    assert users.find_user(session, "A\u0301DA") is ada


@pytest.mark.parametrize("name", ["grace", "", "no body", "\x00", "\ud800", "x" * 1000])
def test_an_unknown_name_finds_nobody(session: Session, name: str) -> None:
    """Invalid names aren't looked up."""
    assert users.find_user(session, name) is None


@pytest.mark.parametrize("twin", ["Ada", "ADA", "\uff41da"])
def test_a_name_is_taken_in_every_spelling(
    session: Session, make_user: MakeUser, twin: str
) -> None:
    """The message has the second user's spelling; the first user's stays."""
    make_user("ada")
    with pytest.raises(UsernameTaken) as caught:
        users.create_user(session, twin, password_hash=None)
    assert str(caught.value) == f"The username {twin.replace(chr(0xFF41), 'a')} is taken."
    assert session.scalars(select(User.username)).all() == ["ada"]


@pytest.mark.parametrize(
    ("name", "twin"),
    [
        ("paypal", "\u0440\u0430\u0443\u0440\u0430\u04c0"),  # all of it Cyrillic
        ("admin", "adm\u0131n"),  # a dotless i
        ("paypal", "paypaI"),
        ("Admin", "adrnin"),
        ("b0b", "bOb"),
        ("\u03b1\u03bd", "av"),  # Greek
        ("user1", "userl"),
    ],
)
def test_a_name_that_looks_like_another_is_taken(
    session: Session, make_user: MakeUser, name: str, twin: str
) -> None:
    """In either order and any case; the first user can still log in."""
    first = make_user(name)

    with pytest.raises(UsernameTaken, match="looks like one that is taken"):
        users.create_user(session, twin, password_hash=None)

    assert users.find_user(session, name.upper()) in (first, None)
    assert users.find_user(session, name) is first
    assert users.find_user(session, twin) is None


def test_of_two_that_look_alike_at_once_one_gets_the_name(engine: Engine, at_once: AtOnce) -> None:
    """The database decides."""

    def register(name: str) -> str:
        with Session(engine) as session:
            return users.create_user(session, name, password_hash=None).username

    answers = at_once(lambda: register("paypal"), lambda: register("paypaI"))

    assert sorted(type(answer).__name__ for answer in answers) == ["UsernameTaken", "str"]


def test_older_names_stay(session: Session) -> None:
    """Users with names that aren't valid any more can log in."""
    for name in ("p\u0430ypal", "paypal", "z\u0351\u0352\u0353\u0354\u0355"):
        key = normalize_username(name).key
        session.add(User(username=name, username_key=key))
        session.commit()
        assert users.find_user(session, name) is not None
        with pytest.raises((InvalidUsername, UsernameTaken)):
            users.create_user(session, name, password_hash=None)


def test_names_of_the_hosts_people_are_the_hosts_business(session: Session) -> None:
    """Names that look alike or mix scripts are different users."""
    for name in ("paypal", "p\u0430ypal", "paypaI"):
        users.mirror_user(session, name, is_superuser=False, can_review_tasks=False)

    assert session.scalars(select(User.username_skeleton)).all() == [None] * 3


def test_a_bad_name_adds_nobody(session: Session) -> None:
    """The name is checked on storing, not only in the form."""
    with pytest.raises(InvalidUsername):
        users.create_user(session, "ada\u200b", password_hash=None)
    assert session.scalar(select(func.count()).select_from(User)) == 0


def test_of_two_registrations_at_once_one_gets_the_name(engine: Engine, at_once: AtOnce) -> None:
    """The database decides, even if both find the name free."""

    def register(name: str) -> str:
        with Session(engine) as own:
            return users.create_user(own, name, password_hash=None).username

    results = at_once(lambda: register("ada"), lambda: register("ADA"))
    refused = [result for result in results if isinstance(result, UsernameTaken)]
    assert len(refused) == 1
    with Session(engine) as own:
        (name,) = own.scalars(select(User.username))
    assert name in results


@pytest.mark.parametrize(
    ("change", "ends"),
    [
        (lambda session, user: users.set_password_hash(session, user, "new"), True),
        # A log in with newer hash parameters doesn't end other sessions.
        (lambda session, user: users.upgrade_password_hash(session, user, "new"), False),
        (sessions.end_sessions, True),
        # Roles are read on each request.
        (
            lambda session, user: users.set_roles(
                session, user.id, is_active=True, is_superuser=False, can_review_tasks=True
            ),
            False,
        ),
    ],
    ids=["new password", "stronger hash of the same", "log out everywhere", "roles"],
)
def test_changes_that_end_every_session(
    session: Session, make_user: MakeUser, change: Callable[[Session, User], object], ends: bool
) -> None:
    """Their keys become invalid."""
    user = make_user()
    key = begin_session(user)
    change(session, user)
    assert user.password_hash in (None, "new")
    assert (sessions.find_session(session, key, LIMITS) is None) == ends


def test_roles_are_set(session: Session, make_user: MakeUser) -> None:
    """A superuser makes another user a superuser, and one a reviewer."""
    user = make_user("ada")
    users.set_roles(session, user.id, is_active=True, is_superuser=True, can_review_tasks=True)
    session.expire_all()
    assert (user.is_superuser, user.can_review_tasks) == (True, True)
    assert (user.may_manage, user.may_review) == (True, True)


def test_deactivation_ends_sessions_and_rights(session: Session, make_user: MakeUser) -> None:
    """An inactive superuser has no access."""
    make_user("other", is_superuser=True)
    user = make_user("ada", is_superuser=True, can_review_tasks=True)
    key = begin_session(user)
    users.set_roles(session, user.id, is_active=False, is_superuser=True, can_review_tasks=True)
    session.expire_all()
    assert sessions.find_session(session, key, LIMITS) is None
    assert (user.is_authenticated, user.may_manage, user.may_review) == (False, False, False)


@pytest.mark.parametrize(("active", "superuser"), [(True, False), (False, True), (False, False)])
def test_the_last_superuser_stays(
    session: Session, make_user: MakeUser, active: bool, superuser: bool
) -> None:
    """The last superuser can't be demoted or deactivated."""
    user = make_user("ada", is_superuser=True)
    make_user("gone", is_superuser=True, is_active=False)
    with pytest.raises(LastSuperuser) as caught:
        users.set_roles(
            session,
            user.id,
            is_active=active,
            is_superuser=superuser,
            can_review_tasks=False,
        )
    assert str(caught.value) == (
        "ada is the last active superuser. Make another user a superuser first."
    )
    session.expire_all()
    assert user.may_manage


def test_roles_of_an_unknown_user_are_refused(session: Session) -> None:
    """An unknown user id is an error."""
    with pytest.raises(LookupError, match=r"There is no user 7\."):
        users.set_roles(session, 7, is_active=True, is_superuser=True, can_review_tasks=True)


def test_two_superusers_who_demote_each_other_at_once_leave_one(
    engine: Engine, make_user: MakeUser, at_once: AtOnce
) -> None:
    """One change succeeds; the other is refused."""
    ids = [make_user(name, is_superuser=True).id for name in ("ada", "grace")]

    def demote(user_id: int) -> None:
        with Session(engine) as own:
            users.set_roles(
                own, user_id, is_active=True, is_superuser=False, can_review_tasks=False
            )

    results = at_once(lambda: demote(ids[0]), lambda: demote(ids[1]))
    assert [type(result) for result in results if result is not None] == [LastSuperuser]
    with Session(engine) as own:
        assert len(own.scalars(select(User.id).where(User.is_superuser)).all()) == 1


def test_a_person_of_the_host_gets_a_row_on_first_sight(session: Session) -> None:
    """Once, with the host's roles and without a password."""
    first = users.mirror_user(session, "ada", is_superuser=True, can_review_tasks=False)
    again = users.mirror_user(session, "Ada", is_superuser=True, can_review_tasks=False)
    assert again is first
    assert (first.password_hash, first.is_superuser) == (None, True)


def test_first_sight_in_two_requests_at_once_makes_one_row(engine: Engine, at_once: AtOnce) -> None:
    """Both requests get the same user."""

    def see() -> int:
        with Session(engine) as own:
            return users.mirror_user(own, "ada", is_superuser=False, can_review_tasks=False).id

    results = at_once(*[see] * 4)
    assert len(set(results)) == 1
    assert isinstance(results[0], int)


def test_a_new_password_is_in_the_trail_without_it(session: Session, make_user: MakeUser) -> None:
    """The entry has both users, but neither passwords nor hashes."""
    user = make_user("ada")
    chief = Actor(7, "chief", "192.0.2.1")
    users.set_password_hash(session, user, "$argon2id$one", actor=chief)
    users.set_password_hash(session, user, "$argon2id$two", actor=chief)
    newest, oldest = audit.page(session, Filter(), limit=9)
    assert (newest.actor, newest.action, newest.subject) == ("chief", "changed", "ada")
    assert (oldest.before, oldest.after) == ({"password": None}, {"password": "••••••"})
    assert (newest.before, newest.after) == ({"password": "••••••"}, {"password": "••••••"})


def test_roles_of_a_person_of_the_host_follow_the_host(session: Session) -> None:
    """Also those of the last superuser, so that withdrawn roles end."""
    users.mirror_user(session, "ada", is_superuser=True, can_review_tasks=False)
    user = users.mirror_user(session, "ada", is_superuser=False, can_review_tasks=True)
    session.expire_all()
    assert (user.is_superuser, user.can_review_tasks, user.may_manage) == (False, True, False)
    users.mirror_user(session, "ada", is_superuser=True, can_review_tasks=False)
    assert user.may_manage


def test_the_last_superuser_of_the_host_can_not_be_deactivated(session: Session) -> None:
    """The host couldn't undo it, since only taskadmin stores that."""
    user = users.mirror_user(session, "ada", is_superuser=True, can_review_tasks=False)
    with pytest.raises(LastSuperuser):
        users.set_roles(
            session, user.id, is_active=False, is_superuser=True, can_review_tasks=False
        )
    session.expire_all()
    assert user.may_manage


def test_preferences_are_kept_and_taken_back(session: Session, make_user: MakeUser) -> None:
    """None restores the browser's."""
    user = make_user("ada")
    users.set_preferences(session, user, language="pt_BR", zone="America/Sao_Paulo")
    session.expire_all()
    assert (user.language, user.zone) == ("pt_BR", "America/Sao_Paulo")
    users.set_preferences(session, user, language=None, zone=None)
    session.expire_all()
    assert (user.language, user.zone) == (None, None)


def test_people_are_counted_by_conditions_in_one_query(
    session: Session, make_user: MakeUser, count_queries: CountQueries
) -> None:
    """By name of the condition, with the total as ""."""
    make_user("ada", is_superuser=True)
    make_user("bob", is_active=False)
    make_user("cy")
    with count_queries() as statements:
        counts = users.count_users(
            session, {"chiefs": User.is_superuser.is_(True), "gone": User.is_active.is_(False)}
        )
    assert counts == {"": 3, "chiefs": 1, "gone": 1}
    assert len(statements) == 1
