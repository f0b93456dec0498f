"""What the contexts count, against counting one by one."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from dropout_stats import checks
from dropout_stats.checks.block import Block, block_of
from dropout_stats.checks.context import Place, plan_tests
from dropout_stats.laws import Inverted
from dropout_stats.laws.several_valued import Value

SHAPES = [(16, 64), (7, 13), (3, 5, 7), (2, 3, 4, 5), (130,)]
CALLS = 11


def masks_of(shape, calls=CALLS, seed=0):
    return np.random.default_rng(seed).random((calls, math.prod(shape))) < 0.7


def blocks_of(masks, shape, sizes=(3, 1, 7)):
    """The calls as a stream hands them over: read from outputs, in blocks of several sizes."""
    x = np.ones(shape, np.float32)
    readings = [Inverted().read(x, m.reshape(shape) / np.float32(0.7), 0.3) for m in masks]
    first = 0
    for size in sizes:
        yield block_of(readings[first : first + size], first, shape, 4)
        first += size


def table_of(check, shape, masks, inputs=()):
    context = checks.stream_checks[check].context
    place = Place(shape, 0.7, CALLS)
    tally = context.tally(place, inputs)
    for block in blocks_of(masks, shape):
        tally.add(block)
    return context, place, tally.tables()


def pairs(contexts, symbols):
    contexts, symbols = np.concatenate(contexts), np.concatenate(symbols)
    return [int((contexts == a)[symbols == b].sum()) for a in (1, 0) for b in (1, 0)]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_block_gives_the_masks_back(shape):
    masks = masks_of(shape)
    (block,) = blocks_of(masks, shape, sizes=(CALLS,))
    assert (block.bits == masks).all()
    assert (block.kept == masks.sum(axis=1)).all()
    assert (block.kept_by_unit == masks.sum(axis=0)).all()
    for source in range(4):
        assert (block.kept_by_unit_of(source) == masks[source::4].sum(axis=0)).all()
    assert block.kept_between(3, 90) == masks[:, 3:90].sum()
    assert (block.part(2, 5).bits == masks[2:5]).all()
    assert block.part(-4, None).first == CALLS - 4
    again = block.part(0, 4).followed_by(block.part(4, None))
    assert (again.words == block.words).all()


def test_a_block_that_begins_in_the_middle_knows_its_inputs():
    masks = masks_of((130,))
    block = list(blocks_of(masks, (130,)))[2]
    assert block.first == 4
    for source in range(4):
        expected = masks[4:][(np.arange(4, CALLS) % 4) == source].sum(axis=0)
        assert (block.kept_by_unit_of(source) == expected).all()


def test_more_calls_than_a_byte_counts():
    masks = np.ones((600, 64), bool)
    (block,) = blocks_of(masks, (64,), sizes=(600,))
    assert (block.kept_by_unit == 600).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_positions_are_counted_by_their_cells(shape):
    masks = masks_of(shape)
    index = np.arange(math.prod(shape))
    _, _, (units,) = table_of("position.unit", shape, masks)
    assert (units[:, 0] == masks.sum(axis=0)).all()
    assert (units.sum(axis=1) == CALLS).all()
    context, place, residues = table_of("position.modulus", shape, masks)
    for group, table in enumerate(residues):
        modulus = 2 ** (group + 1)
        for cell, (kept, dropped) in enumerate(table):
            assert kept == masks[:, index % modulus == cell].sum()
            assert kept + dropped == CALLS * (index % modulus == cell).sum()
        assert f"modulo {modulus}" in context.cell(place, group, 0)
    _, _, slices = table_of("position.axis", shape, masks)
    axes = [axis for axis, length in enumerate(shape) if length > 1] if len(shape) > 1 else []
    assert len(slices) == len(axes)
    for axis, table in zip(axes, slices, strict=True):
        places = np.indices(shape)[axis].reshape(-1)
        for cell, row in enumerate(table):
            assert row[0] == masks[:, places == cell].sum()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("check", ["dependence.lag", "dependence.all_lags"])
def test_lags_are_counted_without_going_round_the_end(check, shape):
    masks = masks_of(shape).astype(int)
    context, place, tables = table_of(check, shape, masks)
    counted = masks[::4] if check == "dependence.all_lags" else masks
    seen = []
    for group, table in enumerate(tables):
        for cell, row in enumerate(table):
            lag = int(context.cell(place, group, cell).split()[1])
            earlier, later = counted[:, :-lag], counted[:, lag:]
            assert row.tolist() == pairs([earlier.reshape(-1)], [later.reshape(-1)]), lag
            seen.append(lag)
    if check == "dependence.all_lags":
        assert seen == list(range(1, masks.shape[1] * 15 // 16 + 1))


@pytest.mark.parametrize("shape", SHAPES[:4])
def test_steps_along_axes_are_counted_within_the_array(shape):
    masks = masks_of(shape).astype(int).reshape(CALLS, *shape)
    context, place, (table,) = table_of("dependence.axes", shape, masks.reshape(CALLS, -1))
    from dropout_stats.checks.axes import _offsets

    offsets = _offsets(shape)
    assert len(table) == len(offsets)
    for cell, (offset, row) in enumerate(zip(offsets, table, strict=True)):
        earlier, later = [], []
        for index in np.ndindex(*shape):
            source = tuple(i - step for i, step in zip(index, offset, strict=True))
            if all(0 <= i < length for i, length in zip(source, shape, strict=True)):
                earlier.append(masks[(slice(None), *source)])
                later.append(masks[(slice(None), *index)])
        assert row.tolist() == pairs(earlier, later)
        assert "along axis" in context.cell(place, 0, cell)


def test_each_pair_of_axes_has_both_diagonals():
    from dropout_stats.checks.axes import _offsets

    offsets = _offsets((4, 5, 6))
    for one, other in itertools.combinations(range(3), 2):
        for sign in (1, -1):
            step = [0, 0, 0]
            step[one], step[other] = 1, sign
            assert tuple(step) in offsets


@pytest.mark.parametrize("shape", SHAPES)
def test_earlier_calls_are_counted_across_blocks(shape):
    masks = masks_of(shape).astype(int)
    context, place, (table,) = table_of("calls.previous", shape, masks)
    from dropout_stats.checks.history import _pairings

    units = math.prod(shape)
    pairings = _pairings(units)
    assert len(table) == len(pairings)
    for cell, ((back, shift), row) in enumerate(zip(pairings, table, strict=True)):
        earlier, later = [], []
        for call in range(back, CALLS):
            index = np.arange(units)
            inside = (index + shift >= 0) & (index + shift < units)
            earlier.append(masks[call - back][index[inside] + shift])
            later.append(masks[call][inside])
        assert row.tolist() == pairs(earlier, later), (back, shift)
        assert "call" in context.cell(place, 0, cell)


def test_patterns_are_those_of_eight_neighbours():
    masks = masks_of((7, 13))
    context, place, found = table_of("dependence.patterns", (7, 13), masks)
    bytes_ = masks[:, :88].reshape(-1, 8)
    assert [len(table) for table in found] == [math.comb(8, kept) for kept in range(9)]
    for group, table in enumerate(found):
        for cell, row in enumerate(table):
            bits = [int(b) for b in context.cell(place, group, cell).split()[2]]
            assert row[0] == (bytes_ == bits).all(axis=1).sum()
            assert row.sum() == len(bytes_)


def test_survivors_are_patterns_of_whole_calls():
    masks = masks_of((1, 3))
    context, place, found = table_of("dependence.survivors", (1, 3), masks)
    assert found[0][0, 0] == (~masks).all(axis=1).sum()
    assert "calls of 3 units" in context.cell(place, 0, 0)


def test_inputs_are_classed_by_sign_and_size():
    shape, rng = (16, 64), np.random.default_rng(8)
    inputs = [rng.normal(size=shape).astype(np.float32) for _ in range(4)]
    masks = masks_of(shape)
    context, place, (table,) = table_of("input.class", shape, masks, inputs)
    assert table.sum() == masks.size
    positive = sum((m & (inputs[n % 4].reshape(-1) > 0)).sum() for n, m in enumerate(masks))
    assert table[8:, 0].sum() == positive
    largest = 0
    for number, mask in enumerate(masks):
        size = np.abs(inputs[number % 4].reshape(-1))
        largest += (mask & (size >= np.sort(size)[-size.size // 8])).sum()
    assert table[7, 0] + table[15, 0] == largest
    assert "positive" in context.cell(place, 0, 15)


@pytest.mark.parametrize("check", ["calls.overlap", "peers.overlap"])
@pytest.mark.parametrize("shape", [(4, 64), (3, 13), (3, 5, 7)])
def test_overlaps_are_counted_at_every_distance_without_going_round_the_end(check, shape):
    masks = masks_of(shape).astype(int)
    context, place, tables = table_of(check, shape, masks)
    if check == "calls.overlap":
        earlier, later = masks[3:-1:4], masks[4::4]
    else:
        peers = masks[::4].reshape(-1, shape[0], math.prod(shape[1:]))
        earlier, later = (
            part.reshape(-1, peers.shape[2]) for part in (peers[:, :-1], peers[:, 1:])
        )
    units, seen = later.shape[1], []
    for group, table in enumerate(tables):
        for cell, row in enumerate(table):
            shift = int(context.cell(place, group, cell).split()[2])
            before, after = max(-shift, 0), max(shift, 0)
            contexts, symbols = earlier[:, after : units - before], later[:, before : units - after]
            assert row.tolist() == pairs([contexts.reshape(-1)], [symbols.reshape(-1)]), shift
            seen.append(shift)
    last = units * 15 // 16
    assert sorted(seen) == list(range(-last if check == "peers.overlap" else 0, last + 1))
    assert len(tables) == len(context.groups(place))


def test_drift_compares_complete_eighths():
    shape, masks = (130,), masks_of((130,), calls=16)
    context = checks.stream_checks["calls.drift"].context
    place = Place(shape, 0.7, 16)
    tally = context.tally(place, ())
    for block in blocks_of(masks[:15], shape, sizes=(15,)):
        tally.add(block)
    assert not tally.tables()
    tally = context.tally(place, ())
    for block in blocks_of(masks, shape, sizes=(5, 11)):
        tally.add(block)
    (table,) = tally.tables()
    assert (table[:, 0] == masks.reshape(8, 2, 130).sum(axis=(1, 2))).all()
    assert context.cell(place, 0, 7) == "calls 15 to 16"


def test_drift_compares_short_parts_of_a_long_run_too():
    shape, masks = (130,), masks_of((130,), calls=133)
    context = checks.stream_checks["calls.drift"].context
    place = Place(shape, 0.7, 131)
    tally = context.tally(place, ())
    for block in blocks_of(masks, shape, sizes=(70, 63)):
        tally.add(block)
    eighths, short = tally.tables()
    assert (eighths[:, 0] == masks[:128].reshape(8, 16, 130).sum(axis=(1, 2))).all()
    assert (short[:, 0] == masks[:132].reshape(66, 2, 130).sum(axis=(1, 2))).all()
    assert context.cell(place, 1, 65) == "calls 131 to 132"
    assert [group.cells for group in context.groups(place)] == [8, 64]


def test_peers_are_compared_pair_by_pair():
    shape = (3, 40)
    masks = masks_of(shape).astype(int)
    context, place, (table,) = table_of("peers.copy", shape, masks)
    peers = masks.reshape(CALLS, 3, 40)
    for cell, (one, other) in enumerate([(0, 1), (0, 2), (1, 2)]):
        expected = pairs([peers[:, one].reshape(-1)], [peers[:, other].reshape(-1)])
        assert table[cell].tolist() == expected
        assert f"peers {one} and {other}" in context.cell(place, 0, cell)
    later = [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]
    assert len(table) == 3 + len(later)
    for cell, (one, other) in enumerate(later, start=3):
        before, now = peers[:-1, other], peers[1:, one]
        assert table[cell].tolist() == pairs([before.reshape(-1)], [now.reshape(-1)])
        assert f"peer {one} and, one call before, of peer {other}" in context.cell(place, 0, cell)


@pytest.mark.parametrize("check", [c.id for c in checks.ALL if getattr(c, "context", None)])
@pytest.mark.parametrize("keep_prob", [0.7, 0.999])
def test_weights_are_at_most_one_and_sizes_are_possible(check, keep_prob):
    context = checks.stream_checks[check].context
    shape = (1, 4) if check == "dependence.survivors" else (16, 256)
    chances = (1 - keep_prob, keep_prob - 0.25, 0.25)
    place = Place(shape, keep_prob, 1000, tuple(map(Value, (0.0, 1.0, 2.0), chances)))
    tests = plan_tests(context, place, 1.0, 0.99)
    assert sum(t.group.weight for t in tests) == pytest.approx(1)
    for tested in tests:
        low, high = tested.group.departure.limits
        assert 0 < tested.test.size < max(-low, high)
        assert tested.group.trials > 0
    finer = plan_tests(context, replace(place, expected_calls=100_000), 1.0, 0.99)
    assert all(b.test.size <= a.test.size * 1.01 for a, b in zip(tests, finer, strict=True))


def test_blocks_of_padded_words_hold_no_units_beyond_the_call():
    (block,) = blocks_of(np.ones((2, 91), bool), (91,), sizes=(2,))
    assert isinstance(block, Block)
    assert int(np.bitwise_count(block.words).sum()) == 2 * 91
