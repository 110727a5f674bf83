"""Why an entry is in a list, in a few words for people."""

from __future__ import annotations

from typing import Final

from schemas.outputs import RecommendationList

__all__ = ["reason"]

_WORDS: Final[dict[str, str]] = {
    "together": "goes with {track}",
    "lately": "lately goes with {track}",
    "after": "often follows {track}",
    "artist": "same artist as {track}",
    "again": "played a moment ago",
    "often": "played often",
    "loop": "played after {last} before",
    "popular": "trending",
    "audio": "sounds like {track}",
    "taste": "fits what you listen to",
    "stated": "of what you said you like",
    "explore_near": "something new to try: near what you play",
    "explore_new": "something new to try: hardly anybody found it yet",
    "explore_trending": "something new to try: trending",
}


def reason(found: RecommendationList, index: int) -> str:
    """Return why the entry at `index` is there. Raises IndexError beyond the list.

    >>> reason(
    ...     RecommendationList("v", "ann", "next", 0, ["b"], [1.0], ["after"], [0], ["a"]), 0
    ... )
    'often follows a'
    """
    words, session = _WORDS.get(found.sources[index]), found.session
    if words is None:  # a source that a newer worker knows
        return found.sources[index]
    because = found.because[index] if found.because else -1
    track = session[because] if 0 <= because < len(session) else "the session"
    return words.format(track=track, last=session[0] if session else "the last one")
