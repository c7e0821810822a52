"""The words of a judgement: their order, their plain values, and notes that keep their ids."""

import copy
import json
import pickle

import pytest

from gradtwin.core.verdicts import Blame, CauseId, Note, Verdict, gravest


def test_the_gravest_verdict_is_found_in_any_order() -> None:
    """From agree to disagree, each is graver than all before it; plain strings count too."""
    order = ["agree", "kink", "rounding", "undecidable", "disagree"]
    for i, grave in enumerate(order):
        assert Verdict(grave).gravity == i
        assert gravest(order[: i + 1]) == gravest(reversed(order[: i + 1])) == grave
    with pytest.raises(ValueError, match="wrong"):
        gravest(["agree", "wrong"])


def test_right_and_quiet_verdicts_are_told_from_the_others() -> None:
    """Lost digits are right, and need an explanation; what cannot be decided is not right."""
    assert {v for v in Verdict if v.is_right} == {"agree", "kink", "rounding"}
    assert {v for v in Verdict if v.is_quiet} == {"agree", "kink"}


def test_every_verdict_has_a_meaning_of_its_own() -> None:
    """A page explains each that it shows."""
    assert len({verdict.meaning for verdict in Verdict}) == len(Verdict)


@pytest.mark.parametrize("word", [*Verdict, *Blame, *CauseId])
def test_a_word_is_its_plain_string(word: str) -> None:
    """In a comparison, a message, JSON and `repr`; users compare with strings and never see an enum."""
    plain = str.__str__(word)
    assert (word == plain, f"{word}", repr(word)) == (True, plain, repr(plain))
    assert json.dumps({"word": word}) == json.dumps({"word": plain})


def test_causes_are_single_words_given_once() -> None:
    """Lower case with underscores, as JSON has them."""
    assert all(cause.replace("_", "").isalnum() and cause == cause.lower() for cause in CauseId)
    assert len(CauseId.__members__) == len(set(CauseId))  # an enum takes a repeated value for a second name


def test_a_note_is_its_text_and_keeps_its_id() -> None:
    """For users a string; copied, pickled to a worker or put into JSON it stays what it is."""
    note = Note("lost_digits", "Digits were lost.")
    assert note == "Digits were lost." and note.id == "lost_digits" and json.dumps([note]) == '["Digits were lost."]'
    for again in (copy.deepcopy(note), pickle.loads(pickle.dumps(note))):
        assert isinstance(again, Note) and (again, again.id) == (note, note.id)
