"""The straightforward way: PyTorch behind FastAPI. `python -m benchmarks.by_hand PORT` serves it."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import torch
import uvicorn
from fastapi import FastAPI, Form, Response, UploadFile

from benchmarks.recipe import Floats, localize
from training.encoders.dinov2 import load_dinov2
from training.encoders.efficientnet_lite import load_efficientnet_lite
from training.encoders.visual import FRAME_SIZE, VisualEncoder
from training.encoders.yamnet import load_yamnet
from training.guided.localizer import load_localizer


class EagerModel:
    """The networks that the bundle `default` was exported from, with their own weights, in float32.

    PyTorch uses all cores that it finds, as it does by itself.
    """

    frame_size = FRAME_SIZE

    def __init__(self) -> None:
        """Raises WeightsMissing: run `earsight-train fetch-weights` first."""
        self._see = VisualEncoder(load_dinov2(), load_efficientnet_lite("lite2")).eval()
        self._hear = load_yamnet()
        self._localize = load_localizer()

    @torch.inference_mode()
    def hear(self, windows: Floats) -> Floats:
        scores: Floats = self._hear(torch.from_numpy(windows))[0].numpy()
        return scores

    @torch.inference_mode()
    def locate(self, frame: npt.NDArray[np.uint8], events: Floats) -> tuple[Floats, float]:
        tokens, class_map = self._see(torch.from_numpy(frame)[None])
        heatmap, presence = self._localize(tokens, class_map, torch.from_numpy(events)[None])
        return heatmap[0].numpy(), float(presence)


def create_app() -> FastAPI:
    app = FastAPI()
    model = EagerModel()

    @app.get("/health")
    def health() -> str:
        return "ok"

    @app.post("/localize")
    def answer(file: UploadFile, fps: Annotated[float, Form()]) -> Response:
        with tempfile.NamedTemporaryFile(suffix=".mp4") as clip:
            shutil.copyfileobj(file.file, clip)
            clip.flush()
            found = localize(Path(clip.name), model, fps=fps)
        return Response(found.to_npz(), media_type="application/x-npz")

    return app


if __name__ == "__main__":
    uvicorn.run(create_app(), port=int(sys.argv[1]), log_level="warning")
