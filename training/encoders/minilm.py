"""MiniLM sentence embeddings (Wang et al., 2020, arXiv:2002.10957): which names mean nearly the same."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional
from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from training.encoders.frozen import freeze, quiet_loading
from training.encoders.weights import MINILM, published_path

WIDTH = 384
_MAX_TOKENS = 256
_BATCH = 64


class SentenceEncoder:
    """Sentences to unit vectors; the scalar product of two is their similarity."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        self._model = model
        self._tokenizer = tokenizer

    @torch.inference_mode()
    def encode(self, sentences: Sequence[str]) -> Tensor:
        """N sentences to unit vectors (N, 384): the mean over the tokens of each."""
        rows = [torch.empty(0, WIDTH)]
        for start in range(0, len(sentences), _BATCH):
            batch = self._tokenizer(
                list(sentences[start : start + _BATCH]),
                padding=True,
                truncation=True,
                max_length=_MAX_TOKENS,
                return_tensors="pt",
            )
            mask = batch["attention_mask"][:, :, None]
            hidden = self._model(**batch).last_hidden_state
            rows.append(functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1))
        return torch.cat(rows)


def load_minilm() -> SentenceEncoder:
    """The sentence encoder with its weights, frozen. Raises WeightsMissing."""
    path = published_path(MINILM)
    with quiet_loading():
        model = AutoModel.from_pretrained(path, local_files_only=True)
    return SentenceEncoder(freeze(model), AutoTokenizer.from_pretrained(path, local_files_only=True))
