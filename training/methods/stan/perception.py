"""What STAN sees and hears of encoded frames and windows: fixed before training."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from app.pipeline.encode import SILENCE
from training.methods.localiser import Widths
from training.methods.sight import Sight

WORDS = 96  # components of sentence embeddings, which hold nearly all that tells the names apart
_NEVER = -20.0  # logit
_SURE = 8.0  # loud synthetic sounds have logits of hundreds, which no loss survives
_LOUD = 10.0  # brings them to the scale of what else is seen


class Perception(nn.Module):
    """Features of the encoders on a common scale.

    Of a cell: principal components of token and class map, and where its looks lie among sentences, which is
    the mean embedding of the names of its visual classes. Of a window of sound: its scaled embedding, and the
    logits of the audio teacher, which follow from it.
    """

    classes: Tensor
    teacher_weight: Tensor
    teacher_bias: Tensor

    def __init__(self, widths: Widths, n_classes: int, n_events: int, *, channels: int, looks: int) -> None:
        """
        Args:
            widths, n_classes: of what the encoders give.
            n_events: that the audio teacher tells apart.
            channels, looks: see `Sight`.
        """
        super().__init__()
        self.sight = Sight(widths, n_classes, channels=channels, looks=looks)
        self.register_buffer("classes", torch.zeros(n_classes, WORDS))
        self.register_buffer("teacher_weight", torch.zeros(n_events, widths.sound))
        self.register_buffer("teacher_bias", torch.zeros(n_events))

    @property
    def channels(self) -> int:
        """C of what is seen."""
        return self.sight.channels + WORDS

    def see(self, tokens: Tensor, class_map: Tensor) -> Tensor:
        """Tokens (T, G, G, Dv) and class maps (T, H, W, C) to (T, G * G, channels)."""
        looks = self.sight.seen(tokens, class_map)
        words = (class_map.float() @ self.classes).movedim(-1, 1)
        words = functional.interpolate(words, looks.shape[1:3], mode="bilinear").movedim(1, -1)
        return torch.cat([looks, words], -1).flatten(1, 2)

    def hear(self, window: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings of windows (T, Da) to what is heard (T, Da) and logits (T, E) within +-`_SURE`."""
        window = window.float()
        logits = window @ self.teacher_weight.T + self.teacher_bias
        return self.sight.heard(window), _SURE * torch.tanh(logits / _SURE)


def take_published(perception: Perception) -> Tensor:
    """Fill in names and teacher from the published weights; returns the names of the events (E, WORDS).

    Both are centred, since what all names have in common tells nothing apart, and taken in the components in
    which names of classes and events differ most. Raises WeightsMissing.
    """
    from training.encoders.events import EVENT_NAMES
    from training.encoders.minilm import load_minilm
    from training.encoders.yamnet import load_yamnet
    from training.guided.names import class_names

    minilm, teacher = load_minilm(), load_yamnet().classifier
    with torch.no_grad():
        classes, events = minilm.encode(class_names()), minilm.encode(EVENT_NAMES)
        classes, events = classes - classes.mean(0), events - events.mean(0)
        basis = torch.linalg.svd(torch.cat([classes, events]), full_matrices=False).Vh[:WORDS].T
        perception.classes.copy_(_LOUD * classes @ basis)
        perception.teacher_weight.copy_(teacher.weight)
        perception.teacher_bias.copy_(teacher.bias)
        silence = EVENT_NAMES.index(SILENCE)  # is no event that could be seen
        perception.teacher_weight[silence] = 0
        perception.teacher_bias[silence] = _NEVER
        return functional.normalize(events @ basis, dim=1)
