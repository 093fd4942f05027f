"""What options are made of, checked before anything runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

SIZES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def window(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
    """`A:B`, checked before anything runs."""
    if text is None:
        return None
    from backstep.recorder.options import Options, parse_iterations

    try:
        Options(iterations=parse_iterations(text))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
    return text


def size(_: click.Context, __: click.Parameter, text: str | None) -> int | None:
    """A number of bytes, or of kilo-, mega- or gigabytes."""
    if text is None:
        return None
    digits = text.rstrip("kKmMgGiIbB")
    unit = text[len(digits) :].upper().removesuffix("B").removesuffix("I")
    if not digits.isdigit() or unit not in SIZES or not int(digits):
        raise click.BadParameter(f"{text!r} is no size in bytes")
    return int(digits) * SIZES[unit]


def stop(_: Any, __: Any, text: str | None) -> str | None:
    """A stop, as it is written on the screen too."""
    from backstep.stops.condition import ConditionError
    from backstep.stops.stop import parse_stop

    try:
        return None if text is None else parse_stop(text).text
    except ConditionError as error:
        raise click.BadParameter(str(error)) from None


def screen_options(command: Callable[..., int]) -> Callable[..., int]:
    """How the screen looks; what is asked for comes as `theme`, `plain` and `hints`."""
    for option in (
        click.option("--hints", is_flag=True, help="Give the hints of the first session again."),
        click.option("--ascii", "plain", is_flag=True, help="ASCII alone, as where the locale is not UTF-8."),
        click.option("--theme", type=click.Choice(["dark", "light", "contrast"]), help="Colours [as set, or dark]."),
    ):
        command = option(command)
    return command
