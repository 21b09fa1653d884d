"""CMC on pictures, as a method that is trained."""

from __future__ import annotations

from itertools import chain
from typing import Any, ClassVar

import torch
from kornia.augmentation import RandomHorizontalFlip, RandomResizedCrop
from torch import Tensor, nn

from training.loop.method import Method
from training.methods.cmc_images.config import CmcImagesConfig
from training.methods.cmc_images.encoder import SplitEncoder
from training.methods.cmc_images.memory import MemoryBanks, NceLoss, softmax_loss
from training.methods.cmc_images.pictures import PictureBatch, central

_ROWS = 1024  # of the matrix of similarities, that are in memory at a time


class CmcImages(Method):
    """Each view of a picture finds the other view of the same picture among those of others.

    Crops and mirror images are all the augmentation there is, the colours stay as they are: their split is
    what makes the views. The score is the share of validation pictures whose lightness is nearest to their
    own colour among all the validation pictures.
    """

    method: ClassVar[str] = "cmc-images"
    config: CmcImagesConfig

    def __init__(self, config: CmcImagesConfig, n_pictures: int) -> None:
        """Make the encoders and an empty memory.

        Args:
            config: see there.
            n_pictures: training pictures; `index` of a batch is below.
        """
        super().__init__(config)
        self.save_hyperparameters({"n_pictures": n_pictures})
        self.encoder = SplitEncoder(config.colours, width=config.width, features=config.features)
        self.banks = MemoryBanks(n_pictures, features=config.features, momentum=config.memory_momentum)
        self.nce = nn.ModuleList(NceLoss(n_pictures, momentum=config.normaliser_momentum) for _ in range(2))
        self.augment = nn.Sequential(
            RandomResizedCrop((config.crop, config.crop), scale=(config.least_area, 1.0)),
            RandomHorizontalFlip(),
        )
        self._validated: list[tuple[Tensor, Tensor]] = []

    def training_step(self, batch: PictureBatch, _index: int) -> Tensor:
        encoded = self.encoder(self.augment(self._scaled(batch)))
        items = batch["index"]
        slots = self.banks.draw(items, self.config.negatives)
        similarities = self.banks.similarity(encoded.light, encoded.colour, slots)
        losses = [
            self._loss(scores / self.config.temperature, view) for view, scores in enumerate(similarities)
        ]
        loss = torch.stack(losses).sum()
        light, colour = (self.of_all_devices(part.detach()) for part in (encoded.light, encoded.colour))
        self.banks.update(self.of_all_devices(items), light, colour)  # each holds what all have seen
        self.log("train/loss", loss, on_step=True, on_epoch=True, sync_dist=True)
        return loss

    def validation_step(self, batch: PictureBatch, _index: int) -> None:
        encoded = self.encoder(central(self._scaled(batch), self.config.crop))
        self._validated.append((encoded.light.cpu(), encoded.colour.cpu()))

    def on_validation_epoch_end(self) -> None:
        validated = chain(*self.parts_of_all_devices(self._validated))
        light, colour = (torch.cat(parts) for parts in zip(*validated, strict=True))
        self._validated.clear()
        self.log_score(matching_accuracy(light, colour), count=len(light))

    def configure_optimizers(self) -> Any:
        config = self.config
        optimizer = torch.optim.SGD(
            self.parameters(), config.rate, momentum=config.momentum, weight_decay=config.weight_decay
        )
        drops = [round(share * config.epochs) for share in config.drops]
        schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, drops, config.drop_factor)
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def _scaled(self, batch: PictureBatch) -> Tensor:
        return batch["picture"].to(self.dtype) / 255

    def _loss(self, scores: Tensor, view: int) -> Tensor:
        if self.config.loss == "softmax":
            return softmax_loss(scores)
        nce: Any = self.nce[view]
        nce.observe(self.of_all_devices(scores.detach().exp()).mean())
        loss: Tensor = nce(scores)
        return loss


def matching_accuracy(light: Tensor, colour: Tensor) -> float:
    """The share of N pictures whose lightness is nearest to their own colour; 1 / N is chance.

    Args:
        light, colour: (N, D) unit vectors.
    """
    found = torch.cat([(rows @ colour.T).argmax(1) for rows in light.split(_ROWS)])
    return float((found == torch.arange(len(found), device=found.device)).float().mean())
