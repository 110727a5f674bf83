"""Reads the setting of experiment arms: names, and their shares of the listeners."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

__all__ = ["arm_shares", "arms_text"]

ARMS_MAX = 8  # each learns rankers of its own from every play


def arm_shares(text: str) -> dict[str, int]:
    """Return each arm's share in hundredths of a percent. Raises ValueError with what is wrong.

    >>> arm_shares("default=99.5, popular=0.5")
    {'default': 9950, 'popular': 50}
    """
    shares: dict[str, int] = {}
    for part in text.split(","):
        name, equals, share = (word.strip() for word in part.partition("="))
        if not name or not equals:
            raise ValueError("must be name=share, several with a comma between")
        if name in shares:
            raise ValueError(f"names {name} twice")
        shares[name] = _hundredths(name, share)
    if sum(shares.values()) != 100 * 100:
        raise ValueError(f"has shares that sum to {sum(shares.values()) / 100:g}, not to 100")
    if len(shares) > ARMS_MAX:
        raise ValueError(f"has more than {ARMS_MAX} arms")
    return shares


def arms_text(text: str) -> str:
    """Accept what `arm_shares` reads."""
    arm_shares(text)
    return text


def _hundredths(name: str, share: str) -> int:
    try:
        hundredths = 100 * Decimal(share)
        if 0 < hundredths <= 100 * 100 and hundredths == int(hundredths):
            return int(hundredths)
    except InvalidOperation:
        pass
    raise ValueError(f"gives {name} a share that is no percentage of two decimals above 0")
