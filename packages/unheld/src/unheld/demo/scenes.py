"""The five scenes in words: titles, what the press reported, what is compared. Figures come from the run alone.

What others reported stands here attributed, as they said it. It is not ours, and its numbers are never added or mixed.
"""

from __future__ import annotations

from dataclasses import dataclass

_OECD_WATCH = ("OECD Watch", "https://oecdwatch.org/complaint/somo-representing-474-myanmar-csos-vs-telenor-asa")
_MYANMAR_NOW = (
    "Myanmar Now",
    "https://myanmar-now.org/en/news/telenor-has-shared-sensitive-customer-data-with-military-since-the-coup-industry-sources",
)
_CRYPTOPOLITAN = (
    "Cryptopolitan, after Reuters",
    "https://www.cryptopolitan.com/myanmar-groups-sue-telenor-data-sharing/",
)


@dataclass(frozen=True)
class Reported:
    """What somebody reported, and where: the name of the source, and its address."""

    words: str
    source: tuple[str, str]


@dataclass(frozen=True)
class Scene:
    """One scene: `lead` says what is compared, `reported` what others say happened."""

    number: int
    title: str
    lead: str
    reported: tuple[Reported, ...]


SCENES = (
    Scene(
        1,
        "What is held",
        "Somebody takes every disk in the country, at night. Then every disk anywhere, custodians and all.",
        (Reported("Call data of some 18 million users is reported to have been part of what was sold.", _OECD_WATCH),),
    ),
    Scene(
        2,
        "The orders",
        "200 lists of lines arrive, for one to six months each. Then one demand for one missing person.",
        (
            Reported(
                "Sources told of at least 200 requests in a year. Each named several numbers, some hundreds, and asked"
                " for call histories of 1 to 6 months, places of calls, or the last known place. The sources said that"
                " all were complied with.",
                _MYANMAR_NOW,
            ),
        ),
    ),
    Scene(
        3,
        "“No good options”",
        "Somebody stands at the branch at noon, with root and every password that anybody there knows.",
        (
            Reported(
                "The company is reported to have answered that it was legally required to provide traffic data, that"
                " disobeying would have put its staff in danger, and that there were “no good options”.",
                _CRYPTOPOLITAN,
            ),
        ),
    ),
    Scene(
        4,
        "The sale",
        "A buyer takes over every disk, and every backup that was ever made, with every key that still exists.",
        (
            Reported(
                "Telenor agreed to sell its business in Myanmar to M1 Group, months after the military coup.",
                _OECD_WATCH,
            ),
        ),
    ),
    Scene(
        5,
        "The complaint and the suit",
        "A group objects. Somebody who was on a list wants to know, and to show a court, what was done.",
        (
            Reported(
                "474 civil-society groups complained to the OECD contact point in Norway about the exit.", _OECD_WATCH
            ),
            Reported(
                "Claimants announced a suit in October 2025: they allege that customers' data was passed to the"
                " military. A lawyer of theirs is quoted as saying that the sensitive data should have been deleted"
                " before the sale and the exit.",
                _CRYPTOPOLITAN,
            ),
        ),
    ),
)
