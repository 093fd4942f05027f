"""Where a trace goes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import click


def output_path(script: str, output: str | None, *, module: bool, force: bool) -> Path:
    """Where the trace goes: as asked for, or the next free name in the working directory."""
    from backstep.trace.file import is_locked

    context = click.get_current_context()
    if rank := of_several():
        output = str(_path_of_rank(rank["rank"], script, output, module=module))
    if output is None:
        return next(path for path in _default_paths(script, module) if _claimed(path))
    path = Path(output)
    if path.is_dir():
        raise click.UsageError(f"{output}: is a folder", context)
    if path.exists() and not force:
        raise click.UsageError(f"{output}: exists already; --force overwrites it", context)
    if path.exists() and not module and path.samefile(script):
        raise click.UsageError(f"{output}: is the script itself", context)
    if path.exists() and is_locked(path):
        raise click.UsageError(f"{output}: is being recorded by another run", context)
    if not path.absolute().parent.is_dir():
        raise click.UsageError(f"{output}: no such folder", context)
    if not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
        raise click.UsageError(f"{output}: may not be written", context)
    return path


def _claimed(path: Path) -> bool:
    """Makes an empty file, if there is none: of two runs that begin at once each gets a name of its own."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except FileExistsError:
        return False
    except OSError as error:
        raise click.UsageError(f"{path}: {error.strerror}", click.get_current_context()) from None
    return True


def of_several() -> dict[str, int] | None:
    """Which of how many processes this is, if there are others: then each has a trace in one folder."""
    from backstep.recorder.options import rank_of

    rank = rank_of(os.environ)
    return rank if rank.get("world_size", 1) > 1 else None


def _path_of_rank(rank: int, script: str, output: str | None, *, module: bool) -> Path:
    """The trace of a rank in the folder that was asked for, else in the first that has none of this rank."""
    name = f"rank-{rank}.backstep"
    given = (path.with_suffix(".ranks") for path in _default_paths(script, module)) if output is None else [output]
    folder = next(Path(folder) for folder in given if output or not (Path(folder) / name).exists())
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise click.UsageError(f"{folder}: {error.strerror}", click.get_current_context()) from None
    return folder / name


def _default_paths(script: str, module: bool) -> Iterator[Path]:
    stem = script.rpartition(".")[2] if module else Path(script).resolve().stem
    yield Path(f"{stem}.backstep")
    number = 2
    while True:
        yield Path(f"{stem}-{number}.backstep")
        number += 1
