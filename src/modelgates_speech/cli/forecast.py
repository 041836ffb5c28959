"""What sending some text would come to, before it is sent."""

from __future__ import annotations

from typing import Any

from modelgates_speech.cli.output import clock, counted

# English as most voices read it; other languages and voices differ by a half either way.
CHARACTERS_PER_SECOND = 15


def forecast(characters: int, price: float | None) -> dict[str, Any]:
    """Return the seconds to expect and, where a price per million characters is given, the cost."""
    found: dict[str, Any] = {"expected_seconds": round(characters / CHARACTERS_PER_SECOND, 1)}
    if price is not None:
        found["expected_cost"] = characters * price / 1_000_000
    return found


def forecast_in_words(characters: int, price: float | None) -> str:
    """Return the same as a phrase."""
    found = forecast(characters, price)
    phrase = f"{counted(characters, 'character')}, about {clock(found['expected_seconds'])}"
    if price is None:
        return phrase
    cost = found["expected_cost"]
    return (
        f"{phrase}, at a price of {cost:,.2f}"
        if cost >= 1
        else f"{phrase}, at a price of {cost:.2g}"
    )
