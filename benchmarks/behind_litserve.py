"""The ONNX graphs of a bundle behind LitServe as it comes.

`python -m benchmarks.behind_litserve PORT BUNDLE` serves them.
"""

# Without `from __future__ import annotations`: LitServe looks at the types of its four steps.
import sys
import tempfile
from pathlib import Path

import litserve
import numpy as np
import numpy.typing as npt
import onnxruntime
from fastapi import Request, Response

from app.inference.bundle import SHIPPED_BUNDLES
from app.inference.graph_files import graph_path
from app.inference.manifest import read_manifest
from benchmarks.recipe import Answer, Floats, localize


class OnnxModel:
    """The graphs in sessions with the settings that ONNX Runtime has by itself."""

    def __init__(self, bundle: str) -> None:
        directory = SHIPPED_BUNDLES / bundle
        manifest = read_manifest(directory)
        self.frame_size = manifest.input_size
        self._see, self._hear, self._localize = (
            onnxruntime.InferenceSession(graph_path(directory, manifest.file(role)))
            for role in ("visual", "audio", "localize")
        )

    def hear(self, windows: Floats) -> Floats:
        scores: Floats = self._hear.run(["scores"], {"windows": windows})[0]
        return scores

    def locate(self, frame: npt.NDArray[np.uint8], events: Floats) -> tuple[Floats, float]:
        tokens, class_map = self._see.run(["tokens", "class_map"], {"frames": frame[None]})
        feeds = {"tokens": tokens, "class_map": class_map, "events": events[None]}
        heatmap, presence = self._localize.run(["heatmap", "presence"], feeds)
        return heatmap[0], float(presence[0])


class Localizer(litserve.LitAPI):
    """LitServe's four steps around the recipe."""

    def __init__(self, bundle: str) -> None:
        super().__init__()
        self._bundle = bundle

    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe passes it
        self._model = OnnxModel(self._bundle)

    def decode_request(self, request: Request) -> tuple[bytes, float]:
        return request["file"].file.read(), float(request["fps"])

    def predict(self, asked: tuple[bytes, float]) -> Answer:
        content, fps = asked
        with tempfile.NamedTemporaryFile(suffix=".mp4") as clip:
            clip.write(content)
            clip.flush()
            return localize(Path(clip.name), self._model, fps=fps)

    def encode_response(self, answer: Answer) -> Response:
        return Response(answer.to_npz(), media_type="application/x-npz")


if __name__ == "__main__":
    server = litserve.LitServer(Localizer(sys.argv[2]))
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning")
