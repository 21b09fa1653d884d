"""The network of STAN: evidence of events in every cell and every moment, and attention that weighs it.

With T steps, U cells, H heads, E events, a clip's picture v (T, U, C) and sound a (T, A), for event e:

* in space, guided by the sound:
  alpha[t,h,u] = softmax_u(q_h(a[t]) . k_h(v[t,u]) / sqrt(D) + gamma_h log heat[t,u])
* evidence of the picture:        l_v[t,e] = sum_h,u alpha[t,h,u] (W_h v[t,u]) . n_e / H + b_e
* evidence of the sound:          l_a[t,e] = s YAMNet_e(a[t])
* in time, each guided by the other:
  beta_v[t,e] = softmax_t(p l_v + r l_a), beta_a[t,e] = softmax_t(p' l_a + r' l_v)
* the event:                      z_e = x sum_t beta_v l_v + y sum_t beta_a l_a + c

n_e is the name of the event in the space of sentences, so that what is learned of one event serves others.
The prediction is a weighted sum of evidence and nothing else: what a cell or a moment adds can be read off.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

_FLOOR = 1e-3  # of heat, whose logarithm is taken
_FIRST_BIAS = -3.0  # most events are not there
_SCALE = 1.0  # of the evidence


class Clips(NamedTuple):
    """N clips of T steps, U cells in each.

    Attributes:
        seen: (N, T, U, C), mean 0.
        heard: (N, T, A), mean 0.
        told: (N, T, E), logits of the audio teacher.
        heat: (N, T, U) in [0, 1], of a localiser that hears the sound.
        there: (N, T) bool; steps that are not there count for nothing.
    """

    seen: Tensor
    heard: Tensor
    told: Tensor
    heat: Tensor
    there: Tensor


class Masks(NamedTuple):
    """What is shown of B versions of a clip, and what stands in for the rest.

    Attributes:
        cells: (B, T, U) in [0, 1], 1 shows a cell.
        steps: (B, T) in [0, 1], 1 lets the sound of a step be heard.
        blurred: (B,) in [0, 1]: hidden cells show the mean of all pictures (0) or of their own frame (1).
        silent: (B,) in [0, 1]: for hidden sound the mean of all sounds is heard (0) or silence (1).
    """

    cells: Tensor
    steps: Tensor
    blurred: Tensor
    silent: Tensor


class Attention(NamedTuple):
    """What was attended to, for all events: `space` (N, T, H, U), `sight` and `sound` (N, T, E), each with
    sum 1 over cells or steps."""

    space: Tensor
    sight: Tensor
    sound: Tensor


class Recognised(NamedTuple):
    """Logits (N, E) of the events, and of picture and sound alone."""

    logits: Tensor
    by_sight: Tensor
    by_sound: Tensor


class SpaceTime(nn.Module):
    """See the module. Inputs come standardised; `silence` and `usual` are logits of the teacher."""

    names: Tensor
    silence_heard: Tensor
    silence_told: Tensor
    usual_told: Tensor

    def __init__(self, seen: int, sound: int, names: Tensor, *, heads: int, width: int) -> None:
        """
        Args:
            seen, sound: C and A. The last W channels of what is seen are a point in the space of sentences.
            names: (E, W) unit vectors.
            heads, width: H and D.
        """
        super().__init__()
        events, space = names.shape
        self.heads, self.width = heads, width
        self.query = nn.Linear(sound, heads * width, bias=False)
        self.key = nn.Linear(seen, heads * width, bias=False)
        self.prior = nn.Parameter(torch.empty(heads))
        self.values = nn.Parameter(torch.empty(heads, seen, space))
        self.scale = nn.Parameter(torch.empty(()))
        self.bias = nn.Parameter(torch.empty(events))
        self.trust = nn.Parameter(torch.empty(()))
        self.in_time = nn.Parameter(torch.empty(4))
        self.fusion = nn.Parameter(torch.empty(3))
        self.register_buffer("names", names)
        self.register_buffer("silence_heard", torch.zeros(sound))
        self.register_buffer("silence_told", torch.zeros(events))
        self.register_buffer("usual_told", torch.zeros(events))
        self.reset()

    def reset(self) -> None:
        """Weights as before any training."""
        self.query.reset_parameters()
        self.key.reset_parameters()
        seen, space = self.values.shape[1:]
        with torch.no_grad():
            nn.init.normal_(self.values, std=0.02)
            self.values[:, seen - space :] += torch.eye(space)
            self.prior.zero_()
            self.scale.fill_(_SCALE)
            self.bias.fill_(_FIRST_BIAS)
            self.trust.fill_(1.0)
            self.in_time.copy_(torch.tensor([1.0, 0.2, 1.0, 0.2]))
            self.fusion.copy_(torch.tensor([0.5, 0.5, 0.0]))

    def forward(self, clips: Clips, masks: Masks | None = None) -> tuple[Recognised, Attention]:
        """All events of some clips, of which masks (one each, B = N) may hide a part."""
        space, pooled = self._looked_at(clips, masks)
        sight = self.scale * torch.einsum("nthc,hcw->ntw", pooled, self.values) / self.heads
        by_sight = sight @ self.names.T + self.bias
        by_sound = self._told(clips, masks)
        sight_in_time, sound_in_time = self._in_time(by_sight, by_sound, clips.there[:, :, None])
        seen, heard = (sight_in_time * by_sight).sum(1), (sound_in_time * by_sound).sum(1)
        fused = self.fusion[0] * seen + self.fusion[1] * heard + self.fusion[2]
        return Recognised(fused, seen, heard), Attention(space, sight_in_time, sound_in_time)

    def one_event(self, clip: Clips, masks: Masks, event: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (B,) of one event () in B versions of one clip (N = 1), and what picture and sound add.

        The same as `forward`, computed for one event alone: a hundred versions cost little more than one.
        """
        parts = self.evidence(clip, event)  # (T, H, U)
        hidden = masks.blurred[:, None, None] * parts.mean(2)  # (B, T, H)
        shown = masks.cells[:, :, None]
        space = torch.softmax(self._scores(clip, masks), 3)  # (B, T, H, U)
        by_sight = (space * (shown * parts + (1 - shown) * hidden[..., None])).sum((2, 3)) + self.bias[event]
        by_sound = self._told(clip._replace(told=clip.told[:, :, event, None]), masks, event[None])[..., 0]
        sight, sound = self._in_time(by_sight, by_sound, clip.there)
        seen = self.fusion[0] * (sight * by_sight).sum(1)
        heard = self.fusion[1] * (sound * by_sound).sum(1)
        return seen + heard + self.fusion[2], seen, heard

    def evidence(self, clip: Clips, event: Tensor) -> Tensor:
        """(T, H, U): what each cell of one clip adds to the evidence of an event, before any attention."""
        towards = self.values @ self.names[event]  # (H, C)
        return self.scale / self.heads * (clip.seen[0] @ towards.T).transpose(1, 2)

    def _looked_at(self, clips: Clips, masks: Masks | None) -> tuple[Tensor, Tensor]:
        """Attention in space (N, T, H, U), and what is attended to (N, T, H, C)."""
        if masks is None:
            space = torch.softmax(self._scores(clips, None), 3)
            return space, torch.einsum("nthu,ntuc->nthc", space, clips.seen)
        space = torch.softmax(self._scores(clips, masks), 3)
        shown = space * masks.cells[:, :, None]
        pooled = torch.einsum("nthu,ntuc->nthc", shown, clips.seen)
        blurred = masks.blurred[:, None, None] * clips.seen.mean(2)
        return space, pooled + (1 - shown.sum(3))[..., None] * blurred[:, :, None]

    def _scores(self, clips: Clips, masks: Masks | None) -> Tensor:
        """(B, T, H, U). Query and key are linear, so that scores of mixtures are mixtures of scores."""
        query = self._headed(self.query(clips.heard))  # (N, T, H, D)
        key = self._headed(self.key(clips.seen))  # (N, T, U, H, D)
        score = torch.einsum("nthd,ntuhd->nthu", query, key) / math.sqrt(self.width)
        heat = clips.heat
        if masks is not None:
            shown, blurred = masks.cells[:, :, None], masks.blurred[:, None, None, None]
            loud = masks.steps[:, :, None, None]
            silent = self._headed(self.query(self.silence_heard))  # (H, D)
            unheard = torch.einsum("hd,ntuhd->nthu", silent, key) / math.sqrt(self.width)
            score = loud * score + (1 - loud) * masks.silent[:, None, None, None] * unheard
            score = shown * score + (1 - shown) * blurred * score.mean(3, keepdim=True)
            heat = heat * masks.cells * masks.steps[:, :, None]
        return score + self.prior[:, None] * torch.log(heat + _FLOOR)[:, :, None]

    def _headed(self, part: Tensor) -> Tensor:
        return part.unflatten(-1, (self.heads, self.width))

    def _told(self, clips: Clips, masks: Masks | None, events: Tensor | None = None) -> Tensor:
        """(B, T, E) what the teacher hears."""
        if masks is None:
            return self.trust * clips.told
        silence, usual = self.silence_told, self.usual_told
        if events is not None:
            silence, usual = silence[events], usual[events]
        hidden = usual + masks.silent[:, None] * (silence - usual)
        loud = masks.steps[:, :, None]
        return self.trust * (loud * clips.told + (1 - loud) * hidden[:, None])

    def _in_time(self, by_sight: Tensor, by_sound: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        """Attention over the steps (axis 1) of both modalities."""
        own_sight, by_other, own_sound, by_picture = self.in_time
        away = ~there
        sight = (own_sight * by_sight + by_other * by_sound).masked_fill(away, -math.inf)
        sound = (own_sound * by_sound + by_picture * by_sight).masked_fill(away, -math.inf)
        return torch.softmax(sight, 1), torch.softmax(sound, 1)
