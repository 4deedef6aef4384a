"""Random orders of calls against a plain model of the states."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from qnlab.keys import KeyUnavailable, key_id, open_site_store

PAIRS = st.sampled_from(["a/b", "c/d"])
BLOCKS = st.sampled_from([f"r/{number}" for number in range(4)])


def content(block: str) -> bytes:
    return b"".join(f"{block}:{place}".encode().ljust(32, b".") for place in range(5))


class Model(RuleBasedStateMachine):
    """`states`: id to state; `pairs`: who reserved; `pool`: authentication key not yet taken."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.open()
        self.blocks: dict[str, str] = {}
        self.states: dict[str, str] = {}
        self.pairs: dict[str, str] = {}
        self.moved: set[str] = set()
        self.pool = b""

    def open(self) -> None:
        self.store = open_site_store(Path(self.folder.name), "a", "q", simulated=True)

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    def ids(self, block: str) -> list[str]:
        return [key_id("q", block, place) for place in range(5)]

    def keys_of(self, direction: int) -> list[str]:
        """Available keys of one direction, in the order of the deposits."""
        ids = [one for block in self.blocks for one in self.ids(block)[direction::2]]
        return [one for one in ids if self.states[one] == "available"]

    @rule(block=BLOCKS)
    def deposit(self, block: str) -> None:
        if self.blocks.get(block) == "discarded":
            with pytest.raises(KeyUnavailable):
                self.store.deposit(block, content(block), epsilon=1e-9, simulated=True)
            return
        assert self.store.deposit(block, content(block), epsilon=1e-9, simulated=True) == 5
        if block not in self.blocks:
            self.blocks[block] = "pending"
            self.states |= dict.fromkeys(self.ids(block), "pending")

    @rule(block=BLOCKS)
    def confirm(self, block: str) -> None:
        if self.blocks.get(block) in {None, "discarded"}:
            with pytest.raises(KeyUnavailable):
                self.store.confirm(block)
            return
        self.store.confirm(block)
        if self.blocks[block] == "pending":
            self.states |= dict.fromkeys(self.ids(block), "available")
        self.blocks[block] = "confirmed"

    @rule(block=BLOCKS)
    @precondition(lambda self: len(self.blocks) > 2)
    def discard(self, block: str) -> None:
        if block not in self.blocks:
            return
        self.store.discard(block)
        self.blocks[block] = "discarded"
        for one in self.ids(block):
            if self.states[one] in {"pending", "available", "reserved"}:
                self.states[one] = "discarded"

    @rule(pair=PAIRS, direction=st.integers(0, 1), number=st.integers(1, 3))
    def reserve(self, pair: str, direction: int, number: int) -> None:
        expected = self.keys_of(direction)[:number]
        if len(expected) < number:
            with pytest.raises(KeyUnavailable):
                self.store.reserve(pair, direction, number)
            return
        assert self.store.reserve(pair, direction, number) == expected
        self.states |= dict.fromkeys(expected, "reserved")
        self.pairs |= dict.fromkeys(expected, pair)

    @rule(pair=PAIRS, block=BLOCKS, place=st.integers(0, 4))
    def release(self, pair: str, block: str, place: int) -> None:
        one = key_id("q", block, place)
        if self.states.get(one) != "reserved" or self.pairs[one] != pair:
            with pytest.raises(KeyUnavailable):
                self.store.release(pair, [one])
            return
        self.store.release(pair, [one])
        self.states[one] = "available"

    @rule(pair=PAIRS, direction=st.integers(0, 1))
    def get_key(self, pair: str, direction: int) -> None:
        expected = self.keys_of(direction)
        if not expected:
            with pytest.raises(KeyUnavailable):
                self.store.get_key(pair, direction)
            return
        assert self.store.get_key(pair, direction).key_id == expected[0]
        self.states[expected[0]] = "delivered"

    @rule(pair=PAIRS, block=BLOCKS, place=st.integers(0, 4))
    def get_key_with_id(self, pair: str, block: str, place: int) -> None:
        one = key_id("q", block, place)
        state = self.states.get(one)
        if state == "available" or (state == "reserved" and self.pairs[one] == pair):
            key = self.store.get_key_with_id(one, pair)
            assert key.key == content(block)[32 * place : 32 * place + 32]
            self.states[one] = "delivered"
        else:
            with pytest.raises(KeyUnavailable):
                self.store.get_key_with_id(one, pair)

    @rule(block=BLOCKS)
    def replenish(self, block: str) -> None:
        last = self.ids(block)[3:]
        free = all(self.states.get(one) == "available" for one in last)
        if block in self.moved and self.blocks[block] == "confirmed":
            self.store.replenish_authentication(block, 512)
        elif self.blocks.get(block) == "confirmed" and free:
            self.store.replenish_authentication(block, 512)
            self.moved.add(block)
            self.states |= dict.fromkeys(last, "moved")
            self.pool += content(block)[96:]
        else:
            with pytest.raises(KeyUnavailable):
                self.store.replenish_authentication(block, 512)

    @rule(n_bytes=st.integers(1, 40))
    def take(self, n_bytes: int) -> None:
        if n_bytes <= len(self.pool):
            assert self.store.take_authentication(n_bytes) == self.pool[:n_bytes]
            self.pool = self.pool[n_bytes:]

    @rule()
    def close_and_open(self) -> None:
        self.store.close()
        self.open()

    @invariant()
    def counts_agree(self) -> None:
        found = self.store.statistics()
        for state, number in found.keys.items():
            assert number == list(self.states.values()).count(state), state
        assert found.authentication_remaining_bits == 8 * len(self.pool)


TestStates = Model.TestCase
TestStates.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
