"""Operators that move numbers without changing them: quantisation goes through as it is."""

from math import prod

from tests.nn.making import Making


def concatenation(making: Making) -> None:
    """Of the halves of the input, of constants, of the input with itself."""
    rng = making.rng
    shape = making.some_shape(1, 4, 6)
    axis = rng.randrange(len(shape))
    x = making.give(shape)
    parts = [x]
    for number in range(rng.randint(1, 3)):
        longer = [*shape[:axis], rng.randint(1, 5), *shape[axis + 1 :]]
        constant = making.constant(f"c{number}", longer, making.draft.tensors[x].quantisation)
        parts.append(x if rng.random() < 0.3 else constant)
    rng.shuffle(parts)
    total = sum(making.shape_of(part)[axis] for part in parts)
    y = making.like(x, "y", [*shape[:axis], total, *shape[axis + 1 :]])
    named = axis - len(shape) if rng.random() < 0.3 else axis
    making.step("CONCATENATION", parts, [y], {"axis": named}, 2 if making.is_quantised else 1)
    making.answer(y)


def _cut(making: Making, count: int) -> list[int]:
    """A random shape of so many values."""
    shape = []
    while count > 1 and len(shape) < 3:
        divisors = [d for d in range(1, count + 1) if count % d == 0]
        shape.append(making.rng.choice(divisors))
        count //= shape[-1]
    return [*shape, count]


def reshape(making: Making) -> None:
    """The shape as a tensor, or as an option; one of its dimensions may be left open."""
    shape = making.some_shape(1, 4)
    x = making.give(shape)
    out = _cut(making, prod(shape))
    y = making.like(x, "y", out)
    wanted = list(out)
    if making.rng.random() < 0.4:
        wanted[making.rng.randrange(len(wanted))] = -1
    if making.rng.random() < 0.7:
        making.step("RESHAPE", [x, making.integers("shape", wanted)], [y])
    else:
        making.step("RESHAPE", [x], [y], {"new_shape": tuple(wanted)})
    making.answer(y)


def expand_dims(making: Making) -> None:
    shape = making.some_shape(1, 3)
    axis = making.rng.randint(0, len(shape))
    x = making.give(shape)
    y = making.like(x, "y", [*shape[:axis], 1, *shape[axis:]])
    named = axis - len(shape) - 1 if making.rng.random() < 0.3 else axis
    making.step("EXPAND_DIMS", [x, making.integers("axis", [named], making.rng.choice(([], [1])))], [y])
    making.answer(y)


def squeeze(making: Making) -> None:
    """Named dimensions of one, or all of them."""
    rng = making.rng
    shape = [rng.choice((1, 1, rng.randint(1, 6))) for _ in range(rng.randint(2, 4))]
    ones = [place for place, dim in enumerate(shape) if dim == 1]
    named = sorted(rng.sample(ones, rng.randint(0, len(ones))))
    gone = named or ones
    x = making.give(shape)
    y = making.like(x, "y", [dim for place, dim in enumerate(shape) if place not in gone])
    making.step("SQUEEZE", [x], [y], {"squeeze_dims": tuple(named)})
    making.answer(y)


def pad(making: Making) -> None:
    rng = making.rng
    shape = making.some_shape(1, 4, 6)
    sides = [[rng.choice((0, 0, 1, 3)), rng.choice((0, 0, 1, 2))] for _ in shape]
    x = making.give(shape)
    y = making.like(x, "y", [dim + sum(two) for dim, two in zip(shape, sides, strict=True)])
    widths = making.integers("widths", [side for two in sides for side in two], [len(shape), 2])
    making.step("PAD", [x, widths], [y], version=2 if making.is_quantised else 1)
    making.answer(y)


def padv2(making: Making) -> None:
    """With a value of its own, in the scale of what it is put around."""
    rng = making.rng
    shape = making.some_shape(1, 4, 6)
    sides = [[rng.choice((0, 0, 1, 3)), rng.choice((0, 0, 1, 2))] for _ in shape]
    x = making.give(shape)
    y = making.like(x, "y", [dim + sum(two) for dim, two in zip(shape, sides, strict=True)])
    widths = making.integers("widths", [side for two in sides for side in two], [len(shape), 2])
    value = making.constant("value", [1], making.draft.tensors[x].quantisation)
    making.step("PADV2", [x, widths, value], [y], version=2 if making.is_quantised else 1)
    making.answer(y)


def slice_(making: Making) -> None:
    rng = making.rng
    shape = making.some_shape(1, 4, 8)
    begin = [rng.randrange(dim) for dim in shape]
    size = [rng.randint(1, dim - first) for dim, first in zip(shape, begin, strict=True)]
    said = [-1 if first + count == dim and rng.random() < 0.5 else count
            for first, count, dim in zip(begin, size, shape, strict=True)]  # fmt: skip
    x = making.give(shape)
    y = making.like(x, "y", size)
    inputs = [x, making.integers("begin", begin), making.integers("size", said)]
    making.step("SLICE", inputs, [y], version=2 if making.is_quantised else 1)
    making.answer(y)


def strided_slice(making: Making) -> None:
    """Forwards and backwards, with ends from either side, left open by masks, or single places that shrink away."""
    rng = making.rng
    shape = making.some_shape(1, 4, 8)
    begin, end, steps, masks, out = [], [], [], {"begin_mask": 0, "end_mask": 0, "shrink_axis_mask": 0}, []
    for place, dim in enumerate(shape):
        step = rng.choice((1, 1, 2, 3, -1, -2))
        low = rng.randrange(dim)
        high = rng.randint(low + 1, dim)
        first, last = (low, high) if step > 0 else (high - 1, low - 1)
        places = range(first, last, step)
        if rng.random() < 0.15:
            masks["shrink_axis_mask"] |= 1 << place
            first, last, step, places = low, low + 1, 1, range(0)
        elif first == (0 if step > 0 else dim - 1) and rng.random() < 0.5:
            masks["begin_mask"] |= 1 << place
        if last in (-1, dim) and not masks["shrink_axis_mask"] >> place & 1 and (last == -1 or rng.random() < 0.5):
            masks["end_mask"] |= 1 << place  # backwards to the very beginning can be said in no other way
        begin.append(first - dim if rng.random() < 0.3 else first)
        end.append(last)
        steps.append(step)
        if not masks["shrink_axis_mask"] >> place & 1:
            out.append(len(places))
    x = making.give(shape)
    y = making.like(x, "y", out)
    cut = [making.integers(*one) for one in (("begin", begin), ("end", end), ("steps", steps))]
    making.step("STRIDED_SLICE", [x, *cut], [y], dict(masks), 2 if making.is_quantised else 1)
    making.answer(y)


def _parts(making: Making, x: int, axis: int, sizes: list[int]) -> list[int]:
    shape = list(making.shape_of(x))
    return [making.like(x, f"y{i}", [*shape[:axis], size, *shape[axis + 1 :]]) for i, size in enumerate(sizes)]


def split(making: Making) -> None:
    rng = making.rng
    shape, count = making.some_shape(1, 4, 5), rng.randint(1, 4)
    axis = rng.randrange(len(shape))
    size = shape[axis]
    shape[axis] *= count
    x = making.give(shape)
    parts = _parts(making, x, axis, [size] * count)
    named = axis - len(shape) if rng.random() < 0.3 else axis
    place = making.integers("axis", [named], rng.choice(([], [1])))
    making.step("SPLIT", [place, x], parts, {"num_splits": count}, 2 if making.is_quantised else 1)
    making.answer(rng.choice(parts))


def split_v(making: Making) -> None:
    """Parts of different sizes; one may be left open."""
    rng = making.rng
    shape, sizes = making.some_shape(1, 4, 5), [rng.randint(1, 5) for _ in range(rng.randint(1, 4))]
    axis = rng.randrange(len(shape))
    shape[axis] = sum(sizes)
    x = making.give(shape)
    parts = _parts(making, x, axis, sizes)
    said = list(sizes)
    if rng.random() < 0.3:
        said[rng.randrange(len(said))] = -1
    inputs = [x, making.integers("sizes", said), making.integers("axis", [axis], [])]
    making.step("SPLIT_V", inputs, parts, {"num_splits": len(sizes)}, 2 if making.is_quantised else 1)
    making.answer(rng.choice(parts))


def transpose(making: Making) -> None:
    shape = making.some_shape(2, 4)
    order = list(range(len(shape)))
    making.rng.shuffle(order)
    x = making.give(shape)
    y = making.like(x, "y", [shape[place] for place in order])
    making.step("TRANSPOSE", [x, making.integers("order", order)], [y], version=2 if making.is_quantised else 1)
    making.answer(y)


def pack(making: Making) -> None:
    """The input and constants, or the input twice, along a new axis."""
    rng = making.rng
    shape = making.some_shape(1, 3, 6)
    axis, count = rng.randint(0, len(shape)), rng.randint(1, 3)
    x = making.give(shape)
    how = making.draft.tensors[x].quantisation
    parts = [x, *(rng.choice((x, making.constant(f"c{i}", shape, how))) for i in range(count - 1))]
    rng.shuffle(parts)
    y = making.like(x, "y", [*shape[:axis], count, *shape[axis:]])
    making.step("PACK", parts, [y], {"values_count": count, "axis": axis}, 2 if making.is_quantised else 1)
    making.answer(y)


def unpack(making: Making) -> None:
    rng = making.rng
    shape = making.some_shape(2, 4, 4)
    axis = rng.randrange(len(shape))
    x = making.give(shape)
    parts = [making.like(x, f"y{i}", [*shape[:axis], *shape[axis + 1 :]]) for i in range(shape[axis])]
    making.step("UNPACK", [x], parts, {"num": len(parts), "axis": axis}, 2 if making.is_quantised else 1)
    making.answer(rng.choice(parts))


def gather(making: Making) -> None:
    rng = making.rng
    shape = making.some_shape(1, 3, 6)
    axis, count = rng.randrange(len(shape)), rng.randint(1, 5)
    x = making.give(shape)
    places = making.integers("places", [rng.randrange(shape[axis]) for _ in range(count)])
    y = making.like(x, "y", [*shape[:axis], count, *shape[axis + 1 :]])
    making.step("GATHER", [x, places], [y], {"axis": axis}, 2 if making.is_quantised else 1)
    making.answer(y)
