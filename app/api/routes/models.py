"""Which bundles there are and where their weights come from."""

from __future__ import annotations

import logging

import anyio.to_thread
from fastapi import APIRouter, Depends, Request

from app.api.auth import require
from app.api.openapi import KEY_RESPONSES, problem_response
from app.api.schemas import Model, ModelCard, ModelDetail, ModelList
from app.api.service import Service, service_of
from app.errors import BundleError
from app.inference.bundle import find_bundle
from app.inference.manifest import Manifest, read_manifest

logger = logging.getLogger(__name__)

router = APIRouter(
    prefix="/v1/models",
    tags=["models"],
    dependencies=[Depends(require("analyze"))],
    responses=KEY_RESPONSES,
)


@router.get("", summary="All bundles that `model` may name.")
async def list_models(request: Request) -> ModelList:
    return ModelList(models=await anyio.to_thread.run_sync(_cards, service_of(request.app)))


@router.get(
    "/{name}",
    summary="A bundle in full: files, labels, weights, licences, metrics.",
    responses={
        404: problem_response("There is no such bundle."),
        422: problem_response("The name cannot be read."),
    },
)
async def get_model(request: Request, name: str) -> ModelDetail:
    return await anyio.to_thread.run_sync(_detail, service_of(request.app), name)


def _cards(service: Service) -> tuple[ModelCard, ...]:
    loaded = {bundle.info.name for bundle in service.registry.loaded()}
    default = service.settings.inference.bundle
    cards = []
    for name in service.registry.names():
        try:
            manifest = read_manifest(find_bundle(name, service.settings.inference))
        except BundleError:
            logger.warning("bundle_unreadable", exc_info=True, extra={"bundle": name})
            continue
        cards.append(_card(manifest, default=name == default, loaded=name in loaded))
    return tuple(cards)


def _card(manifest: Manifest, *, default: bool, loaded: bool) -> ModelCard:
    shared = {name: getattr(manifest, name) for name in ModelCard.model_fields if hasattr(manifest, name)}
    return ModelCard(**shared, default=default, loaded=loaded)


def _detail(service: Service, name: str) -> ModelDetail:
    manifest = read_manifest(find_bundle(name, service.settings.inference))
    for bundle in service.registry.loaded():
        if bundle.info.name == name:
            return ModelDetail(
                model=Model.model_validate(bundle.info, from_attributes=True), manifest=bundle.manifest
            )
    return ModelDetail(model=None, manifest=manifest)
