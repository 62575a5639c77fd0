"""People: accounts, roles and the amount of their tasks."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from fixture_types import AtOnce, CountQueries, MakeUser
from taskadmin.errors import InvalidUsername, LastSuperuser, UsernameTaken
from taskadmin.models import User
from taskadmin.store import audit, users
from taskadmin.store.audit import Actor, Filter


def test_a_new_user_has_no_rights(session: Session) -> None:
    """Rights are given by a superuser, never by registering."""
    user = users.create_user(session, "ada", password_hash="hash")
    assert (user.is_active, user.is_superuser, user.can_review_tasks) == (True, False, False)
    assert (user.may_manage, user.may_review) == (False, False)


def test_a_user_is_found_however_the_name_is_capitalised(
    session: Session, make_user: MakeUser
) -> None:
    """Looking up uses the same key as uniqueness does."""
    ada = make_user("Áda")
    assert users.find_user(session, "  áDA ") is ada
    assert users.find_user(session, "A\u0301DA") is ada


@pytest.mark.parametrize("name", ["grace", "", "no body", "\x00", "\ud800", "x" * 1000])
def test_a_name_that_nobody_has_finds_nobody(session: Session, name: str) -> None:
    """Nor does a name that nobody can have; it isn't even looked for."""
    assert users.find_user(session, name) is None


@pytest.mark.parametrize("twin", ["Ada", "ADA", "\uff41da"])
def test_a_name_is_taken_in_every_spelling(
    session: Session, make_user: MakeUser, twin: str
) -> None:
    """The message has the name as the second person wrote it; the first one stays."""
    make_user("ada")
    with pytest.raises(UsernameTaken) as caught:
        users.create_user(session, twin, password_hash=None)
    assert str(caught.value) == f"The username {twin.replace(chr(0xFF41), 'a')} is taken."
    assert session.scalars(select(User.username)).all() == ["ada"]


def test_a_bad_name_adds_nobody(session: Session) -> None:
    """The name is checked where it is stored, not in the form alone."""
    with pytest.raises(InvalidUsername):
        users.create_user(session, "ada\u200b", password_hash=None)
    assert session.scalar(select(func.count()).select_from(User)) == 0


def test_of_two_registrations_at_once_one_gets_the_name(engine: Engine, at_once: AtOnce) -> None:
    """Both see the name free; the database decides."""

    def register(name: str) -> str:
        with Session(engine) as own:
            return users.create_user(own, name, password_hash=None).username

    results = at_once(lambda: register("ada"), lambda: register("ADA"))
    refused = [result for result in results if isinstance(result, UsernameTaken)]
    assert len(refused) == 1
    with Session(engine) as own:
        (name,) = own.scalars(select(User.username))
    assert name in results


def test_a_new_password_ends_every_session(session: Session, make_user: MakeUser) -> None:
    """What a cookie holds doesn't fit any more."""
    user = make_user()
    before = user.get_id()
    users.set_password_hash(session, user, "new")
    assert user.password_hash == "new"
    assert user.get_id() != before


def test_a_stronger_hash_of_the_same_password_ends_no_session(
    session: Session, make_user: MakeUser
) -> None:
    """A person who logs in after an upgrade of the parameters stays signed in elsewhere."""
    user = make_user()
    before = user.get_id()
    users.upgrade_password_hash(session, user, "stronger")
    assert user.password_hash == "stronger"
    assert user.get_id() == before


def test_sessions_can_be_ended(session: Session, make_user: MakeUser) -> None:
    """Logging out makes a stolen cookie worthless."""
    user = make_user()
    before = user.get_id()
    users.end_sessions(session, user)
    assert user.get_id() != before


def test_roles_are_set(session: Session, make_user: MakeUser) -> None:
    """A superuser makes another one, and a reviewer."""
    user = make_user("ada")
    users.set_roles(session, user.id, is_active=True, is_superuser=True, can_review_tasks=True)
    session.expire_all()
    assert (user.is_superuser, user.can_review_tasks) == (True, True)
    assert (user.may_manage, user.may_review) == (True, True)


def test_deactivation_ends_sessions_and_rights(session: Session, make_user: MakeUser) -> None:
    """An inactive superuser may nothing."""
    make_user("other", is_superuser=True)
    user = make_user("ada", is_superuser=True, can_review_tasks=True)
    before = user.get_id()
    users.set_roles(session, user.id, is_active=False, is_superuser=True, can_review_tasks=True)
    session.expire_all()
    assert user.get_id() != before
    assert (user.is_authenticated, user.may_manage, user.may_review) == (False, False, False)


def test_a_change_of_roles_ends_no_session(session: Session, make_user: MakeUser) -> None:
    """Rights are looked up at each request, so nobody has to log in again."""
    user = make_user("ada")
    before = user.get_id()
    users.set_roles(session, user.id, is_active=True, is_superuser=False, can_review_tasks=True)
    assert user.get_id() == before


@pytest.mark.parametrize(("active", "superuser"), [(True, False), (False, True), (False, False)])
def test_the_last_superuser_stays(
    session: Session, make_user: MakeUser, active: bool, superuser: bool
) -> None:
    """Neither demotion nor deactivation leaves the site without a superuser."""
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
    assert str(caught.value) == "ada is the last active superuser: make another one first."
    session.expire_all()
    assert user.may_manage


def test_roles_of_nobody_are_refused(session: Session) -> None:
    """A user id from an old page or a made-up address."""
    with pytest.raises(LookupError, match=r"There is no user 7\."):
        users.set_roles(session, 7, is_active=True, is_superuser=True, can_review_tasks=True)


def test_two_superusers_who_demote_each_other_at_once_leave_one(
    engine: Engine, make_user: MakeUser, at_once: AtOnce
) -> None:
    """One of them succeeds, the other one is told to make another superuser first."""
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
    """Without a password, with the host's roles, and only once."""
    first = users.mirror_user(session, "ada", is_superuser=True, can_review_tasks=False)
    again = users.mirror_user(session, "Ada", is_superuser=True, can_review_tasks=False)
    assert again is first
    assert (first.password_hash, first.is_superuser) == (None, True)


def test_roles_of_a_person_of_the_host_follow_the_host(session: Session) -> None:
    """What the host says now counts, not what it said first."""
    users.mirror_user(session, "ada", is_superuser=True, can_review_tasks=False)
    user = users.mirror_user(session, "ada", is_superuser=False, can_review_tasks=True)
    session.expire_all()
    assert (user.is_superuser, user.can_review_tasks) == (False, True)


def test_first_sight_in_two_requests_at_once_makes_one_row(engine: Engine, at_once: AtOnce) -> None:
    """Both requests get the same person."""

    def see() -> int:
        with Session(engine) as own:
            return users.mirror_user(own, "ada", is_superuser=False, can_review_tasks=False).id

    results = at_once(*[see] * 4)
    assert len(set(results)) == 1
    assert isinstance(results[0], int)


def test_a_new_password_is_in_the_trail_without_it(session: Session, make_user: MakeUser) -> None:
    """Who set whose; neither the password nor its hash, before or after."""
    user = make_user("ada")
    chief = Actor(7, "chief", "192.0.2.1")
    users.set_password_hash(session, user, "$argon2id$one", actor=chief)
    users.set_password_hash(session, user, "$argon2id$two", actor=chief)
    newest, oldest = audit.page(session, Filter(), limit=9)
    assert (newest.actor, newest.action, newest.subject) == ("chief", "changed", "ada")
    assert (oldest.before, oldest.after) == ({"password": None}, {"password": "••••••"})
    assert (newest.before, newest.after) == ({"password": "••••••"}, {"password": "••••••"})


def test_the_hosts_word_counts_also_about_the_last_superuser(session: Session) -> None:
    """Nobody keeps rights that the host has withdrawn; it gives them back as it took them."""
    users.mirror_user(session, "ada", is_superuser=True, can_review_tasks=False)
    user = users.mirror_user(session, "ada", is_superuser=False, can_review_tasks=False)
    assert not user.may_manage
    users.mirror_user(session, "ada", is_superuser=True, can_review_tasks=False)
    assert user.may_manage


def test_the_last_superuser_of_the_host_can_not_be_deactivated(session: Session) -> None:
    """Being active is taskadmin's to say, so nobody else could undo it."""
    user = users.mirror_user(session, "ada", is_superuser=True, can_review_tasks=False)
    with pytest.raises(LastSuperuser):
        users.set_roles(
            session, user.id, is_active=False, is_superuser=True, can_review_tasks=False
        )
    session.expire_all()
    assert user.may_manage


def test_preferences_are_kept_and_taken_back(session: Session, make_user: MakeUser) -> None:
    """None leaves it to the browser again."""
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
    """Under their names, and all of them under none."""
    make_user("ada", is_superuser=True)
    make_user("bob", is_active=False)
    make_user("cy")
    with count_queries() as statements:
        counts = users.count_users(
            session, {"chiefs": User.is_superuser.is_(True), "gone": User.is_active.is_(False)}
        )
    assert counts == {"": 3, "chiefs": 1, "gone": 1}
    assert len(statements) == 1
