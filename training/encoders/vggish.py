"""VGGish sound embedding (Hershey et al., 2017, arXiv:1609.09430), log-mel spectrogram included."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.encoders.vgg16 import vgg_layers
from training.encoders.yamnet import LogMel

WIDTH = 128
N_FRAMES = 96  # 0.96 s of spectrogram
LOG_OFFSET = 0.01
_BLOCKS = ((64,), (128,), (256, 256), (512, 512))
_FLAT, _HIDDEN = 512 * 6 * 4, 4096  # 96 x 64 frames and bands, after four poolings


class Vggish(nn.Module):
    """Windows of sound to an embedding after its ReLU, without the whitening that was published beside it.

    Parameters are named as in torchvggish, `features.0.weight` to `embeddings.4.bias`. The spectrogram is
    YAMNet's but for the offset of its logarithm.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_mel = LogMel(LOG_OFFSET)
        self.features = vgg_layers(1, _BLOCKS)
        self.embeddings = nn.Sequential(
            nn.Linear(_FLAT, _HIDDEN),
            nn.ReLU(inplace=True),
            nn.Linear(_HIDDEN, _HIDDEN),
            nn.ReLU(inplace=True),
            nn.Linear(_HIDDEN, WIDTH),
            nn.ReLU(inplace=True),
        )

    def forward(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """16 kHz windows (W, n) in [-1, 1], n >= 15600, to scores (W, 1) and embeddings (W, 128), >= 0.

        VGGish names no events: the score is 1, "something is heard". What follows the first 15,600 samples,
        which make 96 frames, is not heard.
        """
        log_mel = self.log_mel(windows)[:, :N_FRAMES]
        features = self.features(log_mel[:, None])
        # The published weights count channels fastest, as TensorFlow lays them out.
        embedding: Tensor = self.embeddings(features.permute(0, 2, 3, 1).flatten(1))
        return torch.ones_like(embedding[:, :1]), embedding
