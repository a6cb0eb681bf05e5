"""The transition table: no dead end, no unnamed failure, nothing that a person can type ends outside it."""

from __future__ import annotations

from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from nebula.engine.jobs.registry import OPERATIONS, operation
from nebula.engine.lifecycle import names
from nebula.engine.lifecycle.names import place_name
from nebula.engine.lifecycle.states import HostState, ImageState, LcmState, Place, VmState, place_named
from nebula.engine.lifecycle.table import (
    DONE,
    PENDING,
    TABLE,
    Phase,
    Recovery,
    Transition,
    find,
    legal_verbs,
    row_for_job,
    sources_of,
    transients,
)

WITH_JOB = [row for row in TABLE if row.job]
RESTING = sorted(
    {place for row in TABLE for place in row.sources}
    | {row.success for row in TABLE if row.success}
    | {place for row in TABLE for phase in row.phases for place in (phase.failure, phase.stuck)}
)
ids = pytest.mark.parametrize("row", WITH_JOB, ids=lambda row: f"{row.verb} from {row.sources[0].name}")


def test_resting_and_transient_places_are_not_the_same() -> None:
    assert not set(RESTING) & set(transients())


@pytest.mark.parametrize("place", RESTING, ids=lambda place: place.name)
def test_every_place_but_done_can_be_left_by_typing(place: Place) -> None:
    verbs = legal_verbs(place)
    if place == DONE:
        assert verbs == []
        return
    assert verbs
    assert {"terminate", "recover-delete-db"} & set(verbs), "a VM can always be got rid of"


@ids
def test_a_job_has_a_way_to_recover_and_its_transients_an_end_each(row: Transition) -> None:
    assert row.recovery is Recovery.RESUME
    for phase in row.phases:
        assert phase.transient.state is VmState.ACTIVE
        assert phase.failure in RESTING
        assert phase.stuck in RESTING
        assert row_for_job(row.job, phase.transient) is not None
    assert row.success in RESTING or (row.success is None and not row.phases)


def test_rows_without_a_job_are_immediate_and_say_where_they_lead() -> None:
    for row in TABLE:
        if not row.job:
            assert row.recovery is Recovery.IMMEDIATE, row.verb
            assert row.phases == (), row.verb
            assert row.success is not None, row.verb


@ids
def test_the_job_is_registered_and_its_steps_name_the_phases_in_order(row: Transition) -> None:
    assert row.job in OPERATIONS
    named = [name for name, _ in groupby(step.phase for step in operation(row.job).steps)]
    phases = [phase.name for phase in row.phases]
    assert named == (phases or [""])


def test_every_operation_says_its_own_kind() -> None:
    for kind in OPERATIONS:
        assert operation(kind).kind == kind


def test_one_row_for_a_verb_and_a_place() -> None:
    pairs = [(row.verb, place) for row in TABLE for place in row.sources]
    assert len(pairs) == len(set(pairs))


@given(st.sampled_from([*RESTING, *transients()]))
def test_what_is_offered_is_found_and_nothing_else(place: Place) -> None:
    for verb in {row.verb for row in TABLE}:
        assert (find(verb, place) is not None) == (place in sources_of(verb))
    for verb in legal_verbs(place):
        found = find(verb, place)
        assert found is not None
        assert not found.observed


def test_observed_rows_never_lead_from_or_to_a_transient_place() -> None:
    for row in TABLE:
        if row.observed:
            assert row.success in RESTING
            assert not set(row.sources) & set(transients())


def test_a_silent_host_never_makes_poweroff() -> None:
    reached = {row.success for row in TABLE if row.verb == "seen-nothing"}
    assert reached == {Place(VmState.ACTIVE, LcmState.UNKNOWN)}


@given(st.sampled_from([*RESTING, *transients()]))
def test_names_of_places_lead_back(place: Place) -> None:
    assert place_named(place.name.lower()) == place
    assert place_name(int(place.state), int(place.lcm)) == place.name


class Walk(RuleBasedStateMachine):
    """Verbs, and ends of phases, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.place = PENDING
        self.source = PENDING
        self.row: Transition | None = None
        self.ahead: list[Phase] = []

    @rule(data=st.data())
    def something_happens(self, data: st.DataObject) -> None:
        if self.ahead:
            self._phase_ends(data.draw(st.sampled_from(["success", "failure", "stuck"])))
            return
        rows = [row for row in TABLE if self.place in row.sources]
        if rows:
            self._begin(data.draw(st.sampled_from(rows)))
        else:
            self.place = PENDING

    def _begin(self, row: Transition) -> None:
        self.row, self.source, self.ahead = row, self.place, list(row.phases)
        self.place = self.ahead[0].transient if self.ahead else row.success or self.place

    def _phase_ends(self, how: str) -> None:
        phase = self.ahead.pop(0)
        if how != "success":
            self.place, self.ahead = (phase.failure if how == "failure" else phase.stuck), []
        elif self.ahead:
            self.place = self.ahead[0].transient
        elif self.row is not None:
            self.place = self.row.success or self.source

    @invariant()
    def stands_in_the_table(self) -> None:
        assert self.place in (transients() if self.ahead else RESTING)
        assert self.ahead or self.place == DONE or legal_verbs(self.place)


TestWalk = Walk.TestCase
TestWalk.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize(
    ("listed", "states"),
    [
        (names.VM_STATES, VmState),
        (names.LCM_STATES, LcmState),
        (names.HOST_STATES, HostState),
        (names.IMAGE_STATES, ImageState),
    ],
)
def test_a_list_shows_states_by_their_own_names(
    listed: dict[int, str], states: type[VmState] | type[LcmState] | type[HostState] | type[ImageState]
) -> None:
    assert listed == {state.value: state.name for state in states}
