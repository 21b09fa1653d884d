"""What the trained localisers share: a cosine map, how it is judged, and how it becomes a probability."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from training.cache.moments import Moment
from training.data.examples import Facts
from training.loop.end_to_end import Perceived
from training.loop.method import Method
from training.methods.inputs import Standardised
from training.methods.judging import Scaling, Seen, fit_scaling, validation_score
from training.methods.moments import AUDIBLE
from training.methods.views import FrameViews


class Widths(NamedTuple):
    """Sizes of what the encoders give: channels of a token, length of an embedding, cells of a side."""

    token: int
    sound: int
    grid: int


class AudioVisualLocaliser(Method):
    """A method whose map is the cosine between every token and the sound, after learned projections.

    After each validation the map is calibrated on the validation moments, so that 0.5 means the same for
    every checkpoint. Where the truth is known, the score is the share of moments whose maximum lies on the
    source. Where it is not, as with a folder of anybody's videos, it is how often the map's maximum is
    higher with the right sound than with another's (area under the ROC curve), and the map is calibrated for
    telling the two apart.

    Before training, `inputs.fit` takes scales and basis from training moments.

    Attributes:
        encoders: frames and windows to `Perceived`, trained along or frozen, for batches of `RawMoments`;
            None for batches that are encoded already.
    """

    slope: Tensor
    contrast: Tensor
    offset: Tensor

    def __init__(
        self,
        config: Any,
        widths: Widths,
        *,
        channels: int,
        whiten: float = 0,
        scaled: bool = True,
        encoders: nn.Module | None = None,
    ) -> None:
        super().__init__(config)
        self.save_hyperparameters({"widths": list(widths), "encoders": getattr(encoders, "kind", None)})
        self.inputs = Standardised(
            widths.token, widths.sound, channels=channels, whiten=whiten, scaled=scaled
        )
        self.encoders = encoders
        self._make_views = None if encoders is None else FrameViews()
        for name, value in Scaling()._asdict().items():
            self.register_buffer(name, torch.tensor(value))
        self._validated: list[Seen] = []

    @abstractmethod
    def similarity(self, seen: Tensor, embedding: Tensor) -> Tensor:
        """Scaled tokens (N, G, G, C) and embeddings (N, Da), as encoded, to cosines (N, G, G)."""

    def learn_about(self, examples: Sequence[Facts], *, seed: int) -> None:
        """Before training, what is known of the training examples, in the order of their numbers in batches.

        Most methods want nothing of it.
        """

    def forward(self, tokens: Tensor, embedding: Tensor, events: Tensor) -> tuple[Tensor, Tensor]:
        """Calibrated heatmap (N, G, G) and presence (N,), both in [0, 1]. Dark when nothing is heard."""
        cosine = self.similarity(self.inputs.seen(tokens), embedding)
        relative = cosine - cosine.amax((1, 2), keepdim=True)
        gate = (events.amax(1) / AUDIBLE).clamp(0, 1)
        heat = torch.sigmoid(self.slope * cosine + self.contrast * relative + self.offset)
        heat = heat * gate[:, None, None]
        return heat, heat.amax((1, 2))

    def perceived(self, batch: Moment) -> Moment:
        """A batch with `seen` (B, V, G, G, C) and `embedding`, encoded here if it holds raw moments."""
        if self.encoders is None or self._make_views is None:
            return batch
        frames = self._make_views(batch["frame"]) if self.training else batch["frame"][:, None]
        parts: list[Perceived] = [
            self.encoders(view, batch["windows"], batch["heard"]) for view in frames.unbind(1)
        ]
        seen = self.inputs.seen(torch.stack([part.tokens for part in parts], 1))
        return {**batch, "seen": seen, "embedding": parts[0].embedding}

    def validation_step(self, batch: Moment, _index: int) -> None:
        self._validated.append(Seen(*(part.cpu() for part in self._judged(self.perceived(batch)))))

    def _judged(self, batch: Moment) -> Seen:
        seen, embedding = batch["seen"][:, 0].float(), batch["embedding"]
        elsewhere = embedding.roll(max(len(embedding) // 2, 1), 0)  # a neighbour may be of the same clip
        return Seen(
            own=self.similarity(seen, embedding),
            other=self.similarity(seen, elsewhere),
            cover=batch["cover"].float(),
            judged=batch["judged"],
        )

    def on_validation_epoch_end(self) -> None:
        validated = chain(*self.parts_of_all_devices(self._validated))
        seen = Seen(*(torch.cat(parts) for parts in zip(*validated, strict=True)))
        self._validated.clear()
        score, count = validation_score(seen)
        self._take_scaling(seen)
        self.log_score(score, count=count)

    @torch.no_grad()
    def calibrate(self, batches: Iterable[Moment]) -> None:
        """Fit the scaling of a module that is not trained to batches of `AudibleMoments`."""
        self.eval()
        judged = [self._judged(batch) for batch in batches]
        self._take_scaling(Seen(*(torch.cat(parts) for parts in zip(*judged, strict=True))))

    def _take_scaling(self, seen: Seen) -> None:
        with torch.enable_grad(), torch.inference_mode(mode=False):
            scaling = fit_scaling(Seen(*(part.clone() for part in seen)))
        for name, value in scaling._asdict().items():
            getattr(self, name).fill_(value)
