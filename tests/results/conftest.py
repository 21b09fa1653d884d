"""Small results made by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from app.media.clip import SourceInfo
from app.results.model import (
    Areas,
    Counterfactual,
    Detection,
    Explanation,
    Faithfulness,
    FrameResults,
    Heard,
    ModelInfo,
    Notice,
    Result,
    SoundLevel,
    Thresholds,
)

MakeResult = Callable[..., Result]


def _source(*, width: int, height: int, duration_s: float, has_audio: bool) -> SourceInfo:
    return SourceInfo(
        kind="video",
        width=width,
        height=height,
        rotation_deg=0,
        duration_s=duration_s,
        fps=25.0,
        container="mov,mp4,m4a,3gp,3g2,mj2",
        video_codec="h264",
        audio_codec="aac" if has_audio else None,
        has_audio=has_audio,
        size_bytes=1234,
        sha256="ab" * 32,
    )


@pytest.fixture
def make_result() -> MakeResult:
    """A result over a heatmap (T, G, G); everything else has plain values that can be overridden."""

    def make(
        heatmap: np.ndarray,
        *,
        times_s: list[float] | None = None,
        presence: list[float] | None = None,
        heard: tuple[tuple[Heard, ...], ...] | None = None,
        size: tuple[int, int] = (64, 48),
        duration_s: float = 1.0,
        peak: np.ndarray | None = None,
        has_audio: bool = True,
        detections: tuple[tuple[Detection, ...], ...] | None = None,
        explanations: tuple[Explanation, ...] | None = None,
    ) -> Result:
        n = len(heatmap)
        times = np.arange(n) * 0.25 if times_s is None else np.asarray(times_s)
        frames = FrameResults(
            time_s=times.astype(np.float64),
            frame=np.rint(times * 25).astype(np.int64),
            heatmap=heatmap.astype(np.float32),
            presence=np.asarray([0.9] * n if presence is None else presence, np.float32),
            heard=((Heard("Dog", 0.8),),) * n if heard is None else heard,
            detections=detections,
        )
        return Result(
            source=_source(width=size[0], height=size[1], duration_s=duration_s, has_audio=has_audio),
            model=ModelInfo("tiny", "1.0", "cd" * 32, "CPUExecutionProvider"),
            sampling_fps=4.0,
            thresholds=Thresholds(),
            frames=frames,
            sound=SoundLevel(0.0, 50.0, np.zeros(0, np.float32) if peak is None else peak),
            notices=(Notice("audio_missing", "There is no sound."),),
            explanations=explanations,
        )

    return make


@pytest.fixture
def dog_explained() -> Explanation:
    """Of a dog in the first second, at two steps on a 2 by 2 grid: heard in the first, seen in both."""
    return Explanation(
        start_s=0.0,
        end_s=1.0,
        time_s=np.array([0.25, 2 / 3]),
        event=Heard("Dog", 0.91234),
        runners_up=(Heard("Bark", 0.5), Heard("Cat", 0.1)),
        when_audio=np.array([0.75, 0.25], np.float32),
        when_visual=np.array([0.5, 0.5], np.float32),
        where=np.array([[[0, 0.1], [0.4, 0]], [[0, 0.1], [0.2, 0.2]]], np.float32),
        sound_share=2 / 3,
        faithfulness=Faithfulness(
            picture=Areas(0.2, 0.8, 0.5, 0.51, 0.7, 0.3),
            sound=Areas(0.1, 0.9, 0.4, 0.41, 0.6, 0.35),
            without_picture=0.123456,
            without_sound=0.05,
        ),
        counterfactual=Counterfactual("piano", Heard("Piano", 0.7), 0.2, 0.33333),
        reason=None,
    )


@pytest.fixture
def small_result(make_result: MakeResult) -> Result:
    """Two frames on a 2 by 2 grid: a dog in the lower left, then silence."""
    heatmap = np.array([[[0.0, 0.2], [1.0, 0.4]], [[0.0, 0.0], [0.0, 0.0]]])
    heard = ((Heard("Dog", 0.87654321), Heard("Bark", 0.5)), ())
    return make_result(heatmap, times_s=[0.0, 1 / 3], presence=[0.93, 0.0], heard=heard)


@pytest.fixture
def two_dogs(make_result: MakeResult) -> Result:
    """Three frames of 200 by 100 pixels: a dog that barks, then a second one and a cat; the last is empty."""
    barking = Detection((0.1, 0.2, 0.35, 0.8), "dog", 0.91, 0.87654321, 1, Heard("Bark", 0.4))
    moved = Detection((0.2, 0.2, 0.45, 0.8), "dog", 0.8, 0.7, 1)
    second = Detection((0.6, 0.0, 1.0, 1.0), "dog", 0.7, 0.1, 2)
    cat = Detection((0.5, 0.5, 0.75, 0.75), "cat", 0.6, 0.2, 3)
    return make_result(
        np.zeros((3, 2, 2)),
        times_s=[0.0, 0.24, 0.48],
        size=(200, 100),
        detections=((barking,), (moved, second, cat), ()),
    )
