"""What a trial of explainers says: recognition, where, when and faithfulness, with intervals."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from app.pipeline.perturbation import Areas
from training.cache.reading import Cache
from training.evaluation.sounds import Localizer
from training.evaluation.tables import Table, cell, number
from training.methods.stan.module import Stan
from training.methods.stan.scenes import gather_scenes, with_other_sounds
from training.metrics.intervals import Estimate, bootstrap_mean
from training.trial.attributions import OWN
from training.trial.explained import (
    best_constant,
    explained,
    recognised_rows,
    right_events,
    sources,
    when_rows,
    where_rows,
)
from training.trial.faithfulness import BASELINES, Faithful, faithful, randomised

_CONSTANT = "always the step that is right most often"
_OFTEN = "always the event that is right most often"

Values = dict[str, list[float]]  # row to a value for each clip, the mean over the seeds


@dataclass(frozen=True, slots=True)
class Line:
    """A row: its figure, and by how much the first row is ahead (percent, or area times 100)."""

    name: str
    figure: Estimate
    seeds: tuple[float, ...]
    ahead: Estimate | None


@dataclass(frozen=True, slots=True)
class Curves:
    """A method's areas times 100 at one baseline.

    Attributes:
        insertion, deletion: areas below its curves.
        random: of a random order, the same both ways.
        over_random: insertion minus random, and random minus deletion, the smaller of the two.
        own_insertion, own_deletion: by how much STAN is better, above 0 if it is; None for itself.
    """

    method: str
    baseline: str
    insertion: Estimate
    deletion: Estimate
    random: Estimate
    over_random: tuple[Estimate, Estimate]
    own_insertion: Estimate | None
    own_deletion: Estimate | None


@dataclass(frozen=True, slots=True)
class ExplainedReport:
    """All figures of one test; `trust` has modality removal, random weights and another sound."""

    name: str
    n: int
    recognition: tuple[Line, ...]
    where: tuple[Line, ...]
    when: tuple[Line, ...]
    picture: tuple[Curves, ...]
    sound: tuple[Curves, ...]
    trust: tuple[Line, ...]


def report_on(
    cache: Cache,
    name: str,
    trained: Sequence[Stan],
    localize: Localizer,
    *,
    faithful_clips: int,
    say: Callable[[str], None],
) -> ExplainedReport:
    """Measure trained networks, one of each seed, on a cache. Raises CacheError."""
    parts: list[_Measured] = []
    for number_, stan in enumerate(trained):
        say(f"{name}, seed {number_}")
        parts.append(_measure(cache, stan, localize, faithful_clips))
    first = parts[0]
    return ExplainedReport(
        name,
        first.n,
        recognition=_lines([part.recognition for part in parts]),
        where=_lines([part.where for part in parts]),
        when=_lines([part.when for part in parts]),
        picture=_curves([[one.picture for one in part.faithful] for part in parts]),
        sound=_curves([[one.sound for one in part.faithful] for part in parts]),
        trust=_trust([part.faithful for part in parts]),
    )


@dataclass(frozen=True, slots=True)
class _Measured:
    n: int
    recognition: Values
    where: Values
    when: Values
    faithful: list[Faithful]


def _measure(cache: Cache, stan: Stan, localize: Localizer, most: int) -> _Measured:
    scenes = [scene for scene in gather_scenes(cache, localize, stan.perception) if sources(scene)]
    names = stan.events
    recognition: Values = {}
    where: Values = {}
    when: Values = {}
    times, right = [], []
    for scene in scenes:
        answer = explained(stan, scene)
        right.append(right_events(scene, names))
        _add(recognition, recognised_rows(stan, answer))
        _add(where, where_rows(stan, answer))
        for rows, time in when_rows(stan, answer, names) if scene.timed else []:
            _add(when, rows)
            times.append(time)
    right = [events for events in right if events]
    if right:
        usual = Counter(event for events in right for event in events).most_common(1)[0][0]
        recognition[_OFTEN] = [float(usual in events) for events in right]
    if times:
        when[_CONSTANT] = best_constant(times)[1].astype(float).tolist()
    step = max(1, len(scenes) // most)
    chosen = scenes[::step][:most]
    generator = torch.Generator().manual_seed(0)
    others = with_other_sounds(cache, chosen, localize, 1.0, generator)
    swapped = {id(scene.seen): scene for scene in others}
    untaught = randomised(stan, 0)
    measured = [
        faithful(stan, untaught, explained(stan, scene), swapped.get(id(scene.seen))) for scene in chosen
    ]
    return _Measured(len(scenes), recognition, where, when, measured)


def _add(values: Values, rows: dict[str, bool]) -> None:
    for name, hit in rows.items():
        values.setdefault(name, []).append(float(hit))


def _lines(parts: list[Values]) -> tuple[Line, ...]:
    """Rows of hits in percent; the first row is compared with each of the others."""
    if not parts[0]:
        return ()
    table = {name: np.array([part[name] for part in parts]) for name in parts[0]}  # (seeds, N)
    first = next(iter(table.values())).mean(0)
    return tuple(
        Line(
            name,
            bootstrap_mean(values.mean(0), scale=100),
            tuple(float(100 * seed) for seed in values.mean(1)),
            bootstrap_mean(first - values.mean(0), scale=100) if index else None,
        )
        for index, (name, values) in enumerate(table.items())
    )


def _curves(parts: list[list[dict[tuple[str, str], Areas]]]) -> tuple[Curves, ...]:
    if not parts[0]:
        return ()

    def mean(key: tuple[str, str], field: str) -> np.ndarray:
        values = np.array([[getattr(one[key], field) for one in part] for part in parts])
        return np.asarray(values.mean(0))  # (N,)

    def estimate(values: np.ndarray) -> Estimate:
        return bootstrap_mean(values, scale=100)

    found = []
    for method, baseline in parts[0][0]:
        key, own = (method, baseline), (OWN, baseline)
        insertion, deletion = mean(key, "insertion"), mean(key, "deletion")
        random = mean(key, "random_insertion")
        found.append(
            Curves(
                method,
                baseline,
                estimate(insertion),
                estimate(deletion),
                estimate(random),
                (estimate(insertion - random), estimate(random - deletion)),
                None if method == OWN else estimate(mean(own, "insertion") - insertion),
                None if method == OWN else estimate(deletion - mean(own, "deletion")),
            )
        )
    return tuple(found)


def _trust(parts: list[list[Faithful]]) -> tuple[Line, ...]:
    titles = {
        "whole": "probability of the event",
        "without_picture": "... without the picture",
        "without_sound": "... without the sound",
        "random_weights": "rank correlation of where with that of random weights",
        "moved": "share of where that moves with another sound",
    }
    lines = []
    for field, title in titles.items():
        values = np.array([[getattr(one, field) for one in part] for part in parts])
        kept = ~np.isnan(values).any(0)
        if kept.any():
            seeds = tuple(float(100 * seed) for seed in values[:, kept].mean(1))
            lines.append(Line(title, bootstrap_mean(values[:, kept].mean(0), scale=100), seeds, None))
    return tuple(lines)


def tables(report: ExplainedReport) -> list[Table]:
    """The report for terminal and docs."""
    drawn = [
        _hit_table(f"{report.name}: recognition, best event right", report.recognition),
        _hit_table(f"{report.name}: where, pointing", report.where),
        _hit_table(f"{report.name}: when, pointing in time", report.when),
        _curve_table(f"{report.name}: hiding and showing cells of the picture", report.picture),
        _curve_table(f"{report.name}: hiding and showing steps of the sound", report.sound),
        _hit_table(f"{report.name}: what explanations hang on", report.trust),
    ]
    return [table for table in drawn if table.rows]


def _hit_table(title: str, lines: tuple[Line, ...]) -> Table:
    header = ("", "percent", "n", "each seed", "the first row is ahead by")
    body = tuple(
        (
            line.name,
            cell(line.figure),
            str(line.figure.n),
            " ".join(number(seed) for seed in line.seeds) if len(set(line.seeds)) > 1 else "-",
            "-" if line.ahead is None else _signed(line.ahead),
        )
        for line in lines
    )
    return Table(title, header, body)


def _curve_table(title: str, rows: tuple[Curves, ...]) -> Table:
    header = (
        "order by",
        "hidden is",
        "insertion",
        "deletion",
        "random",
        "insertion over random",
        "random over deletion",
        "STAN better, insertion",
        "STAN better, deletion",
    )
    body = tuple(
        (
            row.method,
            row.baseline,
            number(row.insertion.value),
            number(row.deletion.value),
            number(row.random.value),
            *map(_signed, row.over_random),
            "-" if row.own_insertion is None else _signed(row.own_insertion),
            "-" if row.own_deletion is None else _signed(row.own_deletion),
        )
        for row in rows
    )
    return Table(f"{title}; areas in percent", header, body, n_left=2)


def _signed(estimate: Estimate) -> str:
    return f"{estimate.value:.1f} [{estimate.low:.1f}, {estimate.high:.1f}]"


def write_json(path: Path, reports: Sequence[ExplainedReport], about: dict[str, Any]) -> None:
    """All figures, with what they were made with."""
    content = {"about": {**about, "baselines": list(BASELINES)}, "tests": [asdict(one) for one in reports]}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
