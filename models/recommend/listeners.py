"""Stage A: what is known of each listener of one partition, learned from their plays.

State lives in arrays of fixed size; a listener is a slot. Memory of slots that were never used is
never touched, so a limit costs nothing until it is reached. Then the listener used longest ago is
evicted, which the changelog is told too. `docs/reference/recommend.md` says exactly what a play
does; `models.recommend.reference` says it again in plain Python, and tests hold the two equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from models.recommend.arms import Arms, Rankers
from models.recommend.catalogue import Catalogue
from models.recommend.changing import SLICE_RECORDS, Records
from models.recommend.erasures import ERASURE_MARK, new_erasures
from models.recommend.exploring import BANDIT_KEY, StrategyBandit
from models.recommend.forest import FOREST_KEY, ConductForest
from models.recommend.kernels.listener import (
    APPLIED,
    BLOCKED_ARTIST,
    DUPLICATE,
    ERASED,
    ERASED_MS,
    HEARD_COUNT,
    NEWEST_MS,
    SAID_COUNT,
    SAMPLED,
    STATEMENT,
    TOUCHED,
)
from models.recommend.kernels.listening import NO_SLOT, PlayColumns, Rules, learn_plays
from models.recommend.kernels.ranking import Ranker
from models.recommend.kernels.ring import NEWER, link_newest, linked, take_dirty
from models.recommend.kernels.scene import Scene
from models.recommend.kernels.slots import DIRTY
from models.recommend.listener_memory import (
    HEARD_TRACKS,
    ListenerLimits,
    ListenerSnapshot,
    clear,
    ids_of,
    load,
    new_arrays,
    new_trials,
    snapshot,
    touch,
)
from models.recommend.listener_records import ListenerColumns, decode_listener
from models.recommend.outgoing import Outbox
from models.recommend.plays import Learned, artists_named, play_columns
from models.recommend.rankers import RANKER_KEY
from models.recommend.said import SaidRows, held
from models.recommend.scenes import Lists, no_scene
from models.recommend.statements import Statements, statements_of
from models.recommend.vocabulary import Vocabulary, hash16
from schemas.discoveries import DiscoveriesFrame
from schemas.events import Feedback, PlayEvent
from schemas.frames import PairsFrame, TrendCountsFrame
from schemas.outputs import WORLD

__all__ = ["HEARD_TRACKS", "ListenerLimits", "ListenerSnapshot", "ListenerState"]


class ListenerState:
    """The listeners of one partition and the rankers of their lists. A `KeyedState`.

    Keys are user ids, hashes of those that were erased, `FOREST_KEY`, `BANDIT_KEY`, and those of
    the rankers of each arm, which begin with `RANKER_KEY`. `catalogue` says of tracks what plays
    do not.

    All methods are synchronous and bounded by their input; none raises on an event that the codec
    let through. Slots that methods return are valid until the next that learns, blocks or restores.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        limits: ListenerLimits | None = None,
        catalogue: Catalogue | None = None,
        *,
        arms: Arms | None = None,
    ) -> None:
        self._catalogue = Catalogue(vocabulary, 1) if catalogue is None else catalogue
        self.limits = limits or ListenerLimits()
        self.arms = arms or Arms()
        self.vocabulary = vocabulary
        self.arrays = new_arrays(self.limits)
        self.trials = new_trials(self.limits, len(self.arms))
        self.rankers = Rankers(self.arms)
        self.forest = ConductForest()
        self.bandit = StrategyBandit()
        self.evictions = 0
        self._slots: dict[str, int] = {}
        self._users: list[str] = []
        self._free: list[int] = []
        self._evicted: dict[str, None] = {}
        self._erasures = new_erasures(self.limits)
        self.outbox = Outbox(vocabulary)
        self._said = SaidRows()
        self._statements = Statements(vocabulary, self.outbox)
        self._batch = 0
        self._saving: ListenerColumns | None = None
        self._looks: list[float] = []  # of the batch
        self._world = vocabulary.id(WORLD)
        vocabulary.register(self)

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def forgotten(self) -> int:
        """Statements that gave way to newer ones of their kind, since the start."""
        return self._statements.forgotten

    @property
    def ranker(self) -> Ranker:
        """The rankers of the first arm, in place."""
        return self.rankers.of_arm[0]

    def drain_scores(self) -> NDArray[np.float64]:
        """How lists served did against the plays that followed, since the last call.

        By cell (see `Arms.cell`), list (`next`, `discover`, the market's popular tracks) and sum:
        trials, hits among 10, hits among 20, reciprocal ranks, discounted gains.
        """
        scores = self.trials.scores.copy()
        self.trials.scores[:] = 0
        return scores

    def slot(self, user_id: str) -> int | None:
        """The slot of a listener, if known."""
        return self._slots.get(user_id)

    def user_id(self, slot: int) -> str:
        """The listener in a slot that is taken."""
        return self._users[slot]

    def all_slots(self) -> list[int]:
        """Every listener's slot, used longest ago first: whose lists to write when Redis is new."""
        slots: list[int] = linked(self.arrays.links, len(self)).tolist()
        return slots

    def snapshot(self, user_id: str) -> ListenerSnapshot | None:
        """What is known of a listener, by name. For tests, tools and verifiers; not fast."""
        slot = self._slots.get(user_id)
        return None if slot is None else snapshot(self.arrays, slot, self.vocabulary.names)

    def has_heard(self, slot: int, track_id: str) -> bool:
        """Whether the track is among the last 160 that the listener heard, by 16 bits of it."""
        return hash16(track_id) in self.arrays.heard[slot, : self.heard_count(slot)]

    def heard_count(self, slot: int) -> int:
        """How many distinct tracks the listener is known to have heard, at most 160."""
        return int(self.arrays.meta[slot, HEARD_COUNT])

    def blocks_artists(self, slot: int) -> bool:
        """Whether the listener blocks an artist."""
        said, _ = held(self.arrays, slot)
        return BLOCKED_ARTIST in said[:, STATEMENT] >> 32

    def learn(
        self,
        plays: Sequence[PlayEvent],
        exempt: Sequence[bool] = (),
        *,
        lists: Lists | None = None,
    ) -> Learned:
        """Learn plays in the order given. O(plays), a few microseconds each.

        `exempt` tells which are never late (an operator sent them back); empty means none. The
        rankers learn on what `lists` would have served; without it they stay as they are.
        """
        if not plays:
            return Learned(np.zeros(0, np.uint8), [])
        self._begin()
        self._looks = []
        columns = play_columns(plays, exempt, self.vocabulary, self._catalogue)
        self.outbox.pairs.reserve(15 * len(plays))
        self.outbox.trends.reserve(2 * len(plays))
        self._learn_all([play.user_id for play in plays], columns, lists)
        tracks, artists = artists_named(columns)
        self.vocabulary.artist[tracks] = artists
        self.outbox.name_artists(tracks, artists)
        touched = columns.touched[: self.arrays.counters[TOUCHED]].tolist()
        return Learned(columns.outcome, self._still_touched(touched), self._looks)

    def apply_feedback(self, events: Sequence[Feedback]) -> Learned:
        """Let listeners say what they like and what not. What changes nothing is a `duplicate`."""
        self._begin()
        outcomes = np.full(len(events), DUPLICATE, np.uint8)
        touched = []
        for i, event in enumerate(events):
            slot = self._slots.get(event.user_id)
            if event.at_ms <= self._erased_until_ms(event.user_id):
                outcomes[i] = ERASED
                continue
            if new := statements_of(event):
                slot = self._admit(event.user_id) if slot is None else slot
                count = int(self.arrays.meta[slot, SAID_COUNT])
                self.arrays = self._said.give(self.arrays, slot, count + new)
            if slot is not None and self._statements.apply(self.arrays, slot, event):
                outcomes[i] = APPLIED
                touch(self.arrays, slot, self._batch)
                touched.append(slot)
        return Learned(outcomes, self._still_touched(touched))

    def erase(self, user_id: str, at_ms: int) -> bool:
        """Forget a listener, and take back what their retained plays and likes gave.

        From now on their plays and feedback of until `at_ms`, and of until the newest play held,
        are refused. False if that was asked for before, no earlier: then nothing changes.
        """
        self._begin()
        slot = self._slots.get(user_id)
        newest_ms = at_ms if slot is None else int(self.arrays.meta[slot, NEWEST_MS])
        if not self._erasures.note(user_id, at_ms, newest_ms):
            return False
        if slot is not None:
            self.outbox.erase(self.arrays, slot, self._catalogue.albums(self.arrays.recent[slot]))
            self._statements.sum_given(self.arrays, slot, self.outbox.erased)
            self._evicted[user_id] = None
            self._forget(user_id)
        return True

    def _erased_until_ms(self, user_id: str) -> int:
        slot = self._slots.get(user_id)
        if slot is None:
            return self._erasures.until_ms(user_id)
        return int(self.arrays.meta[slot, ERASED_MS])

    def drain_erased(self, partition_of: Callable[[str], int]) -> dict[int, PairsFrame]:
        """What erased listeners gave, to be taken back after what `drain_pairs` gives."""
        return self.outbox.drain_erased(partition_of)

    def drain_pairs(self, partition_of: Callable[[str], int]) -> dict[int, PairsFrame]:
        """Plays and pair weights since the last drain, summed, by partition of the left track."""
        return self.outbox.drain_pairs(partition_of)

    def drain_trend_counts(self) -> list[TrendCountsFrame]:
        """Trend counts since the last drain, summed, one frame per market, `world` among them."""
        return self.outbox.drain_trend_counts()

    def drain_discoveries(self) -> DiscoveriesFrame | None:
        """Discoveries since the last drain, in order: the first 4,096."""
        return self.outbox.drain_discoveries()

    def changes(self) -> Records:
        """All of `change_slices` at once."""
        return [*chain.from_iterable(self.change_slices())]

    def change_slices(self) -> Iterator[Records]:
        """Drain evicted listeners, then changed ones, used longest ago first.

        In that order a reader of the last record per key restores the order of eviction too. The
        records are as of this call, whatever is learned until they are taken; take all of them
        before the next call.
        """
        known = self._slots
        gone: Records = [(user.encode(), None) for user in self._evicted if user not in known]
        self._evicted = {}
        arrays = self.arrays
        dirty = take_dirty(arrays.links, arrays.dirty, int(arrays.counters[DIRTY]))
        arrays.counters[DIRTY] = 0
        users = [self._users[slot] for slot in dirty.tolist()]
        self._saving = ListenerColumns.copy(arrays, dirty)
        parts = self._erasures, self.rankers, self.forest, self.bandit
        noted = [*gone, *chain.from_iterable(part.changes() for part in parts)]
        return chain([noted], self._encoded(users, self._saving))

    def _encoded(self, users: list[str], columns: ListenerColumns) -> Iterator[Records]:
        for start in range(0, len(users), SLICE_RECORDS):
            end = start + SLICE_RECORDS
            keys = [user.encode() for user in users[start:end]]
            yield [
                *zip(keys, columns.part(start, end).encode(self.vocabulary.objects), strict=True)
            ]
        self._saving = None

    def restore(self, key: bytes, value: bytes | None) -> None:
        """Set one key to a record of `changes`. Raises ValueError on bytes it cannot read."""
        if key.startswith(RANKER_KEY):
            self.rankers.restore(key, value)
            return
        if key in (FOREST_KEY, BANDIT_KEY):
            (self.forest if key == FOREST_KEY else self.bandit).restore(value)
            return
        if key.startswith(ERASURE_MARK):
            self._erasures.restore(key, value)
            return
        user_id = key.decode()
        if value is None:
            self._forget(user_id)
            return
        record = decode_listener(value)
        self.vocabulary.sweep_if_due()
        slot = self._slots.get(user_id)
        slot = self._admit(user_id) if slot is None else slot
        if len(record.kinds):
            self.arrays = self._said.give(self.arrays, slot, len(record.kinds))
        load(self.arrays, slot, record, self.vocabulary)
        link_newest(self.arrays.links, slot)

    def used_ids(self) -> list[NDArray[np.int32]]:
        """Every id this state holds, for the vocabulary's sweep."""
        used, arrays, saving = len(self._users), self.arrays, self._saving
        return [
            *ids_of(arrays, used),
            *self._said.used_ids(arrays),
            np.array([self._world], np.int32),
            *self.outbox.used_ids(),
            *(() if saving is None else saving.used_ids()),
        ]

    def _begin(self) -> None:
        """Start a batch. No id waits in a local variable, so this is where names may be swept."""
        self.vocabulary.sweep_if_due()
        self._batch += 1
        self.arrays.counters[TOUCHED] = 0

    def _learn_all(self, users: list[str], columns: PlayColumns, lists: Lists | None) -> None:
        """Give each play its listener's slot and learn it; newcomers may cost others theirs."""
        get, start = self._slots.get, 0
        scene = None if lists is None else lists.scene()
        found = [get(user) for user in users]
        if None in found:
            for i, user in enumerate(users):
                slot = get(user)
                if slot is None and columns.started_ms[i] <= self._erasures.until_ms(user):
                    slot = NO_SLOT
                if slot is None:
                    if self._is_full():  # who goes depends on the plays before this one
                        self._learn_span(columns, (start, i), scene)
                        start = i
                    slot = self._admit(user)
                columns.slot[i] = slot
        else:
            columns.slot[:] = np.array(found, np.int32)
        self._learn_span(columns, (start, len(users)), scene)

    def _learn_span(self, columns: PlayColumns, span: tuple[int, int], scene: Scene | None) -> None:
        limits = self.limits
        times = limits.plays_per_look, limits.lateness_ms, limits.session_gap_ms
        rules = Rules(scene is not None, limits.hold_suspicious, *times, self._world, self._batch)
        made_from = (no_scene() if scene is None else scene, self.rankers.stacked, self.trials)
        learn_plays(self.arrays, columns, self.outbox.tables, rules, span, made_from)
        count = int(self.arrays.counters[SAMPLED])
        self.arrays.counters[SAMPLED] = 0
        self._looks += self.forest.look(self.arrays, columns, count)

    def scene_of(self, arm: int, scene: Scene) -> Scene:
        """What the lists of an arm are made from."""
        left_out, share = int(self.arms.left_out[arm]), scene.rules.exploring.share
        rules = scene.rules._replace(left_out=left_out, exploring=self.bandit.chances(share))
        return scene._replace(rules=rules)

    def _still_touched(self, slots: list[int]) -> list[int]:
        """Each slot once, without those whose listener was evicted meanwhile."""
        stamp, batch = self.arrays.stamp, self._batch
        if not self._evicted and len(set(slots)) == len(slots):
            return slots
        return [slot for slot in dict.fromkeys(slots) if stamp[slot] == batch]

    def _is_full(self) -> bool:
        return not self._free and len(self._users) == self.limits.listeners_max

    def _admit(self, user_id: str) -> int:
        """A slot for a new listener; if all are taken, that of the one used longest ago."""
        if self._is_full():
            oldest = int(self.arrays.links[0, NEWER]) - 1
            user = self._users[oldest]
            self._evicted[user] = None
            self.evictions += 1
            self._forget(user)
        if self._free:
            slot = self._free.pop()
            self._users[slot] = user_id
        else:
            slot = len(self._users)
            self._users.append(user_id)
        self._slots[user_id] = slot
        self.trials.cell[slot] = self.arms.cell(user_id)
        self.arrays.meta[slot, ERASED_MS] = self._erasures.until_ms(user_id)
        return slot

    def _forget(self, user_id: str) -> None:
        """Empty a listener's slot, if they have one."""
        slot = self._slots.pop(user_id, None)
        if slot is None:
            return
        self._said.take_back(self.arrays, slot)
        clear(self.arrays, slot)
        self._users[slot] = ""
        self._free.append(slot)
