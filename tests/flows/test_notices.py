"""A person hears on the phones they have that another one was added (T35)."""

from tests.support.nod import Nod, wait_for


def test_who_has_a_phone_is_told_of_the_next_one(nod: Nod) -> None:
    user_id = nod.new_user()
    first = nod.new_phone(user_id)
    second = nod.new_phone(user_id)
    wait_for(lambda: nod.notices(first), "the notice")

    [notice] = nod.notices(first)
    assert notice["title"] == "A device was added"
    assert "tell your administrator" in notice["body"]
    assert nod.notices(second) == []


def test_a_notice_does_not_stand_between_a_phone_and_its_request(nod: Nod) -> None:
    user_id = nod.new_user()
    first = nod.new_phone(user_id)
    nod.new_phone(user_id)
    wait_for(lambda: nod.notices(first), "the notice")

    client = nod.new_client()
    nod.accepted(client, user_id)
    first.resolve(nod.notified(first), accept=True)
