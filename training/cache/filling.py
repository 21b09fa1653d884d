"""Examples into a cache: decoded in parallel, encoded one after the other, written in their order."""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from app.errors import EarsightError
from training.cache.encoding import ExampleEncoder
from training.cache.index import CacheError, Failure
from training.cache.writing import CacheWriter
from training.data.examples import Example, Footage


class DiskFull(CacheError):
    """There was no space left; what had been written by then is kept."""


@dataclass(frozen=True, slots=True)
class Step:
    """Where a run stands: which example comes next, and how many are done of all that this run has to do."""

    example_id: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Filled:
    """What a run did.

    Attributes:
        n_encoded: examples that were taken in.
        n_there: examples that an earlier run had taken in.
        failures: all examples that are listed as left out.
        interrupted: stopped by Ctrl-C, with everything encoded until then in the cache.
    """

    n_encoded: int
    n_there: int
    failures: tuple[Failure, ...]
    interrupted: bool = False


def fill_cache(
    where: Path | str,
    examples: Sequence[Example],
    *,
    encoder: ExampleEncoder,
    source: dict[str, str],
    jobs: int = 2,
    force: bool = False,
    on_step: Callable[[Step], None] | None = None,
) -> Filled:
    """Encode examples into a cache, or go on with one that an earlier run began.

    An example that cannot be decoded is left out and listed with its reason. Ctrl-C ends the run early and
    without an error.

    Args:
        where: directory of the cache, made if it is missing, or URL of fsspec.
        examples: in the order they are to be written.
        encoder: knows bundle and recipe.
        source: where the examples come from; part of what must agree to go on.
        jobs: examples decoded at a time, ahead of the encoder.
        force: throw away what is there and start anew.
        on_step: called before each example is encoded.

    Raises:
        CacheError: the cache there was made in another way, or is damaged or in use.
        DiskFull: see there.
        OSError: the place cannot be written to.
    """
    manifest = encoder.bundle.manifest
    bundle = f"{manifest.name} {manifest.version}"
    n_there, interrupted = 0, False
    writer = CacheWriter(where, encoder.key(source), bundle=bundle, force=force)
    try:
        with writer:
            n_there = len(writer)
            todo = _todo(examples, writer)
            try:
                _encode(todo, writer, encoder=encoder, jobs=jobs, on_step=on_step)
            except KeyboardInterrupt:
                interrupted = True
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DiskFull(
                f"no space left in {where} ({error.filename or error.strerror}). The {writer.n_written}"
                f" examples written before are kept and usable; {len(writer) - writer.n_written} were lost."
                " Make room and run the same command again to go on"
            ) from error
        raise
    return Filled(len(writer) - n_there, n_there, writer.failures, interrupted)


def _todo(examples: Sequence[Example], writer: CacheWriter) -> list[Example]:
    """Those that the cache lacks. Of several with one id the first counts, and the others are failures."""
    todo, seen = [], set()
    for example in examples:
        name = example.facts.id
        if name in seen:
            writer.fail(
                f"{name} (again)", f"another example has the id {name}, too: only the first was taken in"
            )
        elif name not in writer:
            todo.append(example)
        seen.add(name)
    return todo


def _encode(
    todo: list[Example],
    writer: CacheWriter,
    *,
    encoder: ExampleEncoder,
    jobs: int,
    on_step: Callable[[Step], None] | None,
) -> None:
    size, fps = encoder.bundle.manifest.input_size, encoder.recipe.fps
    with ThreadPoolExecutor(jobs) as decoders:
        for number, (example, decoding) in enumerate(_ahead(decoders, todo, jobs, size=size, fps=fps)):
            name = example.facts.id
            if on_step is not None:
                on_step(Step(name, number, len(todo)))
            try:
                encoded = encoder.encode(name, decoding.result())
            except (EarsightError, OSError, ValueError) as error:
                if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                    raise
                writer.fail(name, _reason(error))
            else:
                writer.add(example.facts, encoded)


def _ahead(
    decoders: ThreadPoolExecutor, todo: list[Example], jobs: int, *, size: int, fps: float
) -> Iterator[tuple[Example, Future[Footage]]]:
    """Examples in their order, each with its footage to come; no more than `jobs` are decoded ahead."""
    waiting: deque[tuple[Example, Future[Footage]]] = deque()
    try:
        for example in todo:
            waiting.append((example, decoders.submit(example.footage, size=size, fps=fps)))
            if len(waiting) > jobs:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        for _, decoding in waiting:
            decoding.cancel()


def _reason(error: Exception) -> str:
    if isinstance(error, EarsightError):
        return f"{error.code}: {error.detail}"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)
