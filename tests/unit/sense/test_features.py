"""Named features on signals whose answers are known, their order, scaling, and the tensor's bytes."""

import struct
from array import array
from math import pi, sin, sqrt

import pytest

from edge.sense.features import NAMES, extract, feature_names, pack, scale, tensor_length
from tests.reference import features as slow


def features(rows: list[tuple[float, ...]], *names: str) -> dict[str, float]:
    flat = array("d", [value for row in rows for value in row])
    fields = "xyzw"[: len(rows[0])]
    return dict(zip(feature_names(fields, names, len(rows)), extract(flat, len(rows[0]), names), strict=True))


def test_a_ramp():
    got = features([(float(value),) for value in range(5)], *NAMES[:-1])
    assert got == pytest.approx(
        {
            "x.mean": 2, "x.std": sqrt(2), "x.min": 0, "x.max": 4, "x.range": 4, "x.rms": sqrt(6), "x.energy": 6,
            "x.mad": 1.2, "x.zcr": 0.25, "x.slope": 1, "x.median": 2, "x.iqr": 2, "x.skew": 0, "x.kurtosis": -1.3,
        }
    )  # fmt: skip


def test_a_sine_crosses_zero_twice_a_period():
    signal = [(sin(2 * pi * 5 * (index + 0.5) / 100),) for index in range(100)]
    assert features(signal, "zcr", "rms", "mean") == pytest.approx({"x.zcr": 9 / 99, "x.rms": sqrt(0.5), "x.mean": 0})


def test_on_the_mean_counts_as_positive():
    assert features([(-1.0,), (0.0,), (-1.0,), (2.0,)], "zcr") == {"x.zcr": 1.0}


@pytest.mark.parametrize("value", [0.0, 0.1, -1 / 3, 1e30, -1e-30])
def test_what_does_not_move_has_no_shape(value: float):
    """A mean rounded by one bit would give a variance above 0 and with it a correlation of 1."""
    got = features([(value, float(index)) for index in range(7)], *NAMES)
    still = ("std", "range", "mad", "zcr", "slope", "iqr", "skew", "kurtosis")
    assert {name: got[f"x.{name}"] for name in still} == dict.fromkeys(still, 0.0)
    assert got["x.y.corr"] == 0.0
    assert got["x.mean"] == got["x.median"] == got["x.min"] == got["x.max"] == value


def test_one_reading_has_every_feature():
    got = features([(3.0, 4.0)], *NAMES)
    assert got["x.mean"] == got["x.rms"] == got["x.median"] == 3.0
    assert [got[name] for name in ("x.zcr", "x.slope", "x.kurtosis", "x.y.corr")] == [0.0] * 4


def test_correlations_come_last_row_by_row():
    rows = [(float(index), float(-index), float(index * index)) for index in range(6)]
    got = features(rows, "mean", "corr", "max")
    assert list(got) == ["x.mean", "x.max", "y.mean", "y.max", "z.mean", "z.max", "x.y.corr", "x.z.corr", "y.z.corr"]
    assert got["x.y.corr"] == -1.0
    assert got["x.z.corr"] == pytest.approx(-got["y.z.corr"])


def test_a_correlation_never_leaves_its_range():
    rows = [(0.1 * index, 0.1 * index * 3) for index in range(50)]
    assert abs(features(rows, "corr")["x.y.corr"]) <= 1.0


def test_without_features_the_window_itself_row_by_row():
    rows = [(1.0, 2.0), (3.0, 4.0)]
    assert features(rows) == {"x[0]": 1.0, "y[0]": 2.0, "x[1]": 3.0, "y[1]": 4.0}
    assert features([(5.0, 6.0)]) == {"x": 5.0, "y": 6.0}


@pytest.mark.parametrize("channels", [1, 2, 4])
@pytest.mark.parametrize("names", [(), ("mean",), ("corr", "std"), ("corr",), NAMES])
def test_the_length_is_known_beforehand(channels: int, names: tuple[str, ...]):
    rows = [tuple(float(row * channel) for channel in range(channels)) for row in range(3)]
    assert tensor_length(3, channels, names) == len(features(rows, *names)) == len(slow.extract(rows, list(names)))


def test_scaling_repeats_over_a_raw_window():
    assert scale([1.0, 10.0, 3.0, 30.0], (1.0, 10.0), (2.0, 5.0)) == [0.0, 0.0, 1.0, 4.0]
    assert scale([1.0, 2.0], (), ()) == [1.0, 2.0]


def test_the_tensor_is_little_endian_float32():
    assert pack([1.5, -2.0, 0.1]) == struct.pack("<3f", 1.5, -2.0, 0.1)


def test_a_big_endian_host_packs_the_same_bytes(monkeypatch: pytest.MonkeyPatch):
    """On this host the swap shows as the other order: it happens exactly when the host is big-endian."""
    monkeypatch.setattr("sys.byteorder", "big")
    assert pack([1.5]) == struct.pack(">f", 1.5)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 3.5e38, -1e300])
def test_what_float32_cannot_hold_is_no_tensor(value: float):
    assert pack([0.0, value]) is None
