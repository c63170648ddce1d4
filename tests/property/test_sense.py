"""Whatever happens to an agent, its windows are the right slices and its account adds up."""

from statistics import fmean

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from edge.sense.agent import Agent
from edge.sense.decide import decide_options, open_decider
from edge.sense.options import agent_options
from edge.sense.reading import Reading
from edge.sense.table import Table
from edge.sense.window import Push, Ring, Window
from tests.reference import window as slow

SIZES = st.integers(1, 40)
NUMBERS = st.floats(-1e6, 1e6)


@given(SIZES, SIZES, st.integers(1, 3), st.integers(0, 200))
def test_a_ring_gives_exactly_the_slices(size: int, step: int, channels: int, count: int):
    ring = Ring(size, step, channels)
    readings = [tuple(float(index * channels + channel) for channel in range(channels)) for index in range(count)]
    windows = [list(ring.rows()) for each in readings if ring.push(each) is Push.COMPLETE]
    assert windows == [[value for row in rows for value in row] for rows in slow.windows(readings, size, step)]
    assert ring.held == slow.fates(count, size, step)[2]


@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=30), st.integers(1, 8), st.sampled_from(["value", "threshold"]))
def test_a_smoothed_decision_is_the_decision_on_means(rows: list[tuple[float, float]], smooth: int, kind: str):
    table = {"kind": kind, "index": 1} | ({"above": 0.0, "report": "every"} if kind == "threshold" else {})
    plain, smoothed = (
        open_decider(decide_options(Table(table | extra, "decide."), None)) for extra in ({}, {"smooth": smooth})
    )
    means = [
        tuple(fmean(row[place] for row in rows[at - smooth + 1 : at + 1]) for place in (0, 1))
        for at in range(smooth - 1, len(rows))
    ]
    quiet = min(len(rows), smooth - 1)
    assert [smoothed.decide(row) for row in rows] == [None] * quiet + [plain.decide(mean) for mean in means]


class Account(RuleBasedStateMachine):
    """Readings good and bad, losses, gaps, and windows whose fate is told late, in any order, or taken back."""

    agent: Agent
    offered: int
    waiting: list[Window]

    @initialize(size=st.integers(1, 6), step=st.integers(1, 8), has_model=st.booleans())
    def begin(self, size: int, step: int, has_model: bool) -> None:
        table = {
            "name": "a", "source": "s", "window": {"size": size, "step": step}, "features": ["mean", "range"],
            "decide": {"kind": "argmax", "threshold": 0.5, "softmax": True},
        }  # fmt: skip
        self.agent = Agent(agent_options(table | ({"model": "m"} if has_model else {}), ["x"]))
        if has_model:
            self.agent.model_loaded(bytes(32), 2, 4)
        self.width = 4 if has_model else 2
        self.offered = self.refused = self.lost = 0
        self.time_ms = 1000
        self.waiting = []

    @rule(value=NUMBERS, lost=st.sampled_from([0, 0, 0, 5]), gap=st.booleans(), later=st.integers(-500, 100_000))
    def read(self, value: float, lost: int, gap: bool, later: int) -> None:
        self.time_ms = max(0, self.time_ms + later)
        self.offered += 1
        self.lost += lost
        window = self.agent.read(Reading("s", self.time_ms, (value,), lost, gap))
        if window is not None:
            assert window.time_ms == self.time_ms
            self.waiting.append(window)

    @rule(values=st.sampled_from([(), (1.0, 2.0), (float("nan"),), (float("inf"),), (1e300,)]))
    def read_what_cannot_be_used(self, values: tuple[float, ...]) -> None:
        self.refused += 1
        assert self.agent.read(Reading("s", self.time_ms, values)) is None

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), outputs=st.lists(st.floats(-5, 5) | st.just(float("nan")), min_size=1, max_size=5))
    def decide(self, data: st.DataObject, outputs: list[float]) -> None:
        event = self.agent.decide(self.take(data), tuple(outputs))
        if event is not None:
            assert len(outputs) == self.width

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), fails=st.booleans())
    def give_up(self, data: st.DataObject, fails: bool) -> None:
        window = self.take(data)
        if fails:
            self.agent.fail(window, "failed")
        else:
            self.agent.shed(window)

    def take(self, data: st.DataObject) -> Window:
        return self.waiting.pop(data.draw(st.integers(0, len(self.waiting) - 1)))

    @invariant()
    def every_reading_is_somewhere(self) -> None:
        if not hasattr(self, "agent"):
            return
        tally = self.agent.tally()
        assert tally.readings == tally.recorded + tally.quiet + tally.shed + tally.open
        assert tally.readings == self.offered + self.lost
        assert min(tally) >= 0
        held = slow.fates(self.offered, self.agent.options.size, self.agent.options.step)[2]
        assert tally.open == held + sum(window.retires for window in self.waiting)
        assert self.agent.counts()["refused"] == self.refused


TestAccount = Account.TestCase
