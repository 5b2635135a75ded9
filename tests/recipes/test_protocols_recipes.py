"""What the protocols train, without training it."""

import pytest

from ranvier.recipes import Cortex, Sessions
from ranvier.recipes.decode import decode
from ranvier.recipes.protocols import PROTOCOLS, MultiSession, Scaling, SingleSession, quick, some_days


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_has_a_summary_and_a_quick_form(name):
    kind = PROTOCOLS[name]
    assert kind.name == name
    assert (kind.__doc__ or "").endswith(".")
    assert quick(kind()) != kind()
    assert type(quick(kind())) is kind


def test_days_are_told_apart_wherever_they_come_from():
    made = some_days(Cortex(days=6, first_day=1), 2, 4)
    assert (made.first_day, made.days) == (3, 3)
    recorded = some_days(Sessions(root="days", days=("a", "b", "c")), 1, 2)
    assert recorded.days == ("b", "c")


def test_a_recipe_is_that_of_its_backbone_on_other_days():
    protocol = MultiSession(width=32)
    alone = protocol.recipe("mamba", protocol.made(), seed=2, epochs=7)
    together = protocol.recipe("mamba", protocol.made(), seed=2, epochs=3, together=True)
    known = decode("mamba")
    assert (alone.train.lr, alone.model.dropout) == (known.train.lr, known.model.dropout)
    assert (alone.train.epochs, together.train.epochs, alone.train.seed) == (7, 3, 2)
    assert (alone.model.adapter, together.model.adapter, alone.model.width) == ("shared", "per_day", 32)
    # The window of a Transformer is a second, however wide its bins are.
    assert alone.model.window == 50


def test_on_a_recording_by_name_a_decoder_is_trained_as_its_recipe_says():
    known = decode("gru", "m1-trials")
    assert SingleSession().recipe("gru", known.data, seed=0, epochs=None) == known


def test_cells_of_the_scaling_grid_take_as_many_steps():
    protocol = Scaling(numbers=(1, 2, 4), epochs=6)
    cells = [protocol.cell("gru", protocol.made(), seed=0, width=16, days=n) for n in protocol.numbers]
    assert [cell.train.epochs for cell in cells] == [24, 12, 6]
    assert {cell.model.width for cell in cells} == {16}


@pytest.mark.parametrize("settings", [{"seeds": 0}, {"minutes": 0.0}, {"epochs_together": 0}])
def test_settings_without_a_meaning_are_refused(settings):
    with pytest.raises(ValueError, match="expected"):
        MultiSession(**settings)
