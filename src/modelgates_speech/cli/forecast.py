"""What sending some text would come to, before it is sent."""

from __future__ import annotations

# English as most voices read it; other languages and voices differ by a half either way.
CHARACTERS_PER_SECOND = 15


def expected_seconds(characters: int, pauses: float = 0.0) -> float:
    """Return the seconds of audio to expect, with those of the silence that is added."""
    return round(characters / CHARACTERS_PER_SECOND + pauses, 1)


def cost(characters: int, price: float | None) -> dict[str, float]:
    """Return the cost at a price per million characters; nothing where no price is given."""
    return {} if price is None else {"expected_cost": characters * price / 1_000_000}


def cost_in_words(characters: int, price: float | None) -> str:
    """Return the same, to follow in a sentence."""
    return "".join(
        f", at a price of {money:,.2f}" if money >= 1 else f", at a price of {money:.2g}"
        for money in cost(characters, price).values()
    )
