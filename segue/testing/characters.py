"""Listeners of a kind, by seed: those who cheat, and people who may look as if they did.

Each is an endless stream of one listener's plays in the order of their time. Nobody here is made to
fit the rules: a cheat does what pays, a person what they like.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from schemas.events import EndReason, PlayEvent

__all__ = ["CHEATS", "PEOPLE", "Character"]

SECOND, HOUR, DAY = 1_000, 3_600_000, 86_400_000
T0 = 1_767_225_600_000

Character = Callable[[int], Iterator[PlayEvent]]


@dataclass
class _Player:
    """A listener with a clock; `play` appends what they hear and lets time pass."""

    name: str
    seed: int
    now_ms: int = T0
    count: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(f"{self.name} {self.seed}")
        self.user_id = f"{self.name}-{self.seed}"

    def play(self, track: str, *, share: float = 1.0, artist: str | None = None) -> PlayEvent:
        """A track heard from its beginning, at once; lengths of tracks follow from their names."""
        duration_ms = random.Random(track).randint(140, 300) * SECOND
        played_ms = round(share * duration_ms)
        early = played_ms < 30 * SECOND
        reason: EndReason = "skipped" if early else "finished" if share == 1.0 else "stopped"
        self.count += 1
        play = PlayEvent(
            f"{self.user_id}/{self.count}",
            self.user_id,
            track,
            self.now_ms,
            played_ms,
            duration_ms,
            reason,
            artist=artist or f"artist of {track}",
        )
        self.now_ms += played_ms + self.chance.randint(100, 900)
        return play

    def seconds(self, track: str, played_s: float, artist: str | None = None) -> PlayEvent:
        """So many seconds of a track."""
        duration_s = random.Random(track).randint(140, 300)
        return self.play(track, share=played_s / duration_s, artist=artist)

    def rest(self, hours: float) -> None:
        self.now_ms += round(hours * HOUR)


def cutting_bot(seed: int) -> Iterator[PlayEvent]:
    """Round the clock, any track, 31 seconds of each."""
    bot = _Player("cutting-bot", seed)
    while True:
        yield bot.seconds(f"track-{bot.chance.randrange(3_000)}", 31 + bot.chance.random() / 2)


def jittering_bot(seed: int) -> Iterator[PlayEvent]:
    """The same, with a skip now and then and no two plays alike."""
    bot = _Player("jittering-bot", seed)
    while True:
        played_s = bot.chance.uniform(30.5, 39) if bot.chance.random() < 0.85 else 8.0
        yield bot.seconds(f"track-{bot.chance.randrange(3_000)}", played_s)


def parallel_bot(seed: int) -> Iterator[PlayEvent]:
    """One account that plays whole tracks on six devices at once."""
    bot = _Player("parallel-bot", seed)
    while True:
        started_ms = bot.now_ms
        for _ in range(6):
            bot.now_ms = started_ms
            yield bot.play(f"track-{bot.chance.randrange(3_000)}")
        bot.now_ms = started_ms + 220 * SECOND


def sleepless_bot(seed: int) -> Iterator[PlayEvent]:
    """Whole tracks, any of them, day and night."""
    bot = _Player("sleepless-bot", seed)
    while True:
        yield bot.play(f"track-{bot.chance.randrange(3_000)}")


def farm_account(seed: int) -> Iterator[PlayEvent]:
    """Ten tracks of one artist in turn, in full, twenty hours a day; tiny skips in between."""
    account = _Player("farm-account", seed)
    artist = f"farmed artist {seed % 3}"
    while True:
        until_ms = account.now_ms + 20 * HOUR
        while account.now_ms < until_ms:
            track = f"farmed-{seed % 3}-{account.chance.randrange(10)}"
            if account.chance.random() < 0.1:
                yield account.seconds(track, account.chance.uniform(1, 4), artist)
            else:
                yield account.play(track, artist=artist)
        account.rest(4)


def endless_loop(seed: int) -> Iterator[PlayEvent]:
    """One track again and again, day and night."""
    looper = _Player("endless-loop", seed)
    while True:
        yield looper.play(f"looped-{seed}")


def heavy_listener(seed: int) -> Iterator[PlayEvent]:
    """Fourteen hours a day: favourites and finds, skips, tracks stopped at any point."""
    person = _Player("heavy-listener", seed)
    while True:
        until_ms = person.now_ms + 14 * HOUR
        while person.now_ms < until_ms:
            known = person.chance.random() < 0.5
            track = f"track-{person.chance.randrange(120 if known else 3_000)}"
            chance = person.chance.random()
            if chance < 0.15:
                yield person.seconds(track, person.chance.uniform(1, 29))
            elif chance < 0.3:
                yield person.play(track, share=person.chance.uniform(0.25, 0.95))
            else:
                yield person.play(track)
        person.rest(10)


def shop(seed: int) -> Iterator[PlayEvent]:
    """A playlist of sixty tracks, shuffled, sixteen hours a day."""
    speaker = _Player("shop", seed)
    playlist = [f"shop-{number}" for number in range(60)]
    while True:
        until_ms = speaker.now_ms + 16 * HOUR
        while speaker.now_ms < until_ms:
            speaker.chance.shuffle(playlist)
            for track in playlist:
                yield speaker.play(track)
        speaker.rest(max(2.0, (until_ms + 8 * HOUR - speaker.now_ms) / HOUR))


def album_evening(seed: int) -> Iterator[PlayEvent]:
    """Other music by day; one album of twelve tracks over and over, each evening for six hours."""
    fan = _Player("album-evening", seed)
    while True:
        for _ in range(fan.chance.randint(10, 30)):
            yield fan.play(f"track-{fan.chance.randrange(3_000)}")
        fan.rest(5)
        until_ms = fan.now_ms + 6 * HOUR
        while fan.now_ms < until_ms:
            for number in range(12):
                yield fan.play(f"album-{seed}-{number}", artist="the one")
        fan.rest(9)


def child(seed: int) -> Iterator[PlayEvent]:
    """One song for three hours each afternoon, often begun anew."""
    small = _Player("child", seed)
    while True:
        until_ms = small.now_ms + 3 * HOUR
        while small.now_ms < until_ms:
            begun_anew = small.chance.random() < 0.3
            share = small.chance.uniform(0.1, 0.9) if begun_anew else 1.0
            yield small.play(f"song-{seed}", share=share)
        small.rest(21)


def sleeper(seed: int) -> Iterator[PlayEvent]:
    """Three quiet tracks all night, every night; other music for two hours a day."""
    person = _Player("sleeper", seed)
    while True:
        until_ms = person.now_ms + 8 * HOUR
        while person.now_ms < until_ms:
            yield person.play(f"quiet-{person.count % 3}")
        person.rest(10)
        until_ms = person.now_ms + 2 * HOUR
        while person.now_ms < until_ms:
            yield person.play(f"track-{person.chance.randrange(3_000)}")
        person.rest(4)


def browser(seed: int) -> Iterator[PlayEvent]:
    """Two hours a day through new releases: a minute here, half a track there."""
    person = _Player("browser", seed)
    while True:
        until_ms = person.now_ms + 2 * HOUR
        while person.now_ms < until_ms:
            track = f"track-{person.chance.randrange(3_000)}"
            yield person.seconds(track, min(140, person.chance.lognormvariate(4, 0.7)))
        person.rest(22)


def homecomer(seed: int) -> Iterator[PlayEvent]:
    """A phone that was offline for a day sends everything under the time of sending."""
    person = _Player("homecomer", seed)
    while True:
        for _ in range(120):
            play = person.play(f"track-{person.chance.randrange(3_000)}")
            person.now_ms = play.started_at_ms
            yield play
        person.rest(24)


CHEATS: dict[str, Character] = {
    "overlap": parallel_bot,
    "restless": sleepless_bot,
    "cut": cutting_bot,
    "cut, jittered": jittering_bot,
    "loop": endless_loop,
    "loop, farm": farm_account,
}
"""By the reason they are found for."""

PEOPLE: tuple[Character, ...] = (
    *(heavy_listener, shop, album_evening, child, sleeper, browser, homecomer),
)
