"""What FastAPI cannot derive: the multipart body that we read ourselves and the formats of a result."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from app.api.job_schemas import JobDocument
from app.api.problems import MEDIA_TYPE
from app.api.schemas import PROBLEM_EXAMPLE, AnalysisOptions, Problem, ResultDocument
from app.results.formats import FORMATS

_BINARY = {"type": "string", "format": "binary"}

PREFER: dict[str, Any] = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "description": "`respond-async` makes a job; `wait=10` waits so many seconds for its end, at most 30.",
    "schema": {"type": "string"},
}
IDEMPOTENCY_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "For a job: the same key with the same files and options stands for the same job.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
}


def upload_body(options: type[BaseModel]) -> dict[str, Any]:
    """The OpenAPI entry of a multipart body with these options, which may be in the query as well."""
    properties = options.model_json_schema()["properties"]
    return {
        "parameters": [
            *(
                {"name": name, "in": "query", "required": False, "schema": properties[name]}
                for name in properties
            ),
            PREFER,
            IDEMPOTENCY_KEY,
        ],
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": ["file"],
                        "additionalProperties": False,
                        "properties": {
                            "file": {**_BINARY, "description": "The video or the still image."},
                            "audio": {
                                **_BINARY,
                                "description": "A separate sound file for a still image or a silent video.",
                            },
                            **properties,
                        },
                    }
                }
            },
        },
    }


ANALYSIS_BODY = upload_body(AnalysisOptions)

RESULT_EXAMPLE: dict[str, Any] = {
    "schema": "earsight.result/1",
    "source": {
        "kind": "video",
        "width": 1280,
        "height": 720,
        "rotation_deg": 0,
        "duration_s": 10.0,
        "fps": 25.0,
        "container": "mov,mp4,m4a,3gp,3g2,mj2",
        "video_codec": "h264",
        "audio_codec": "aac",
        "has_audio": True,
        "size_bytes": 1832114,
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    },
    "model": {
        "name": "default",
        "version": "1.0.0",
        "sha256": "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
        "provider": "CPUExecutionProvider",
    },
    "sampling": {"fps": 4.0, "frames": 1},
    "thresholds": {"heatmap": 0.5, "presence": 0.5, "sounding": 0.5},
    "warnings": [],
    "frames": [
        {
            "time_s": 0.0,
            "frame": 0,
            "presence": 0.93,
            "silence": False,
            "heard": [{"label": "Dog", "score": 0.87}],
            "heatmap": {
                "grid": [2, 2],
                "scale": [0, 1],
                "data": "AAzNBQ==",
                "peak": {"x": 0.25, "y": 0.75, "score": 0.8039},
            },
            "detections": [
                {
                    "box": [0.04, 0.52, 0.47, 0.98],
                    "score": 0.91,
                    "sounding": 0.77,
                    "sound": {"label": "Bark", "score": 0.43},
                    "label": "dog",
                    "track_id": 1,
                }
            ],
        }
    ],
    "tracks": [
        {
            "track_id": 1,
            "label": "dog",
            "start_s": 0.0,
            "end_s": 0.0,
            "score": 0.91,
            "sounding": 0.77,
            "sound": {"label": "Bark", "score": 0.43},
        }
    ],
    "explanations": [
        {
            "start_s": 0.0,
            "end_s": 10.0,
            "event": {"label": "Dog", "score": 0.87},
            "reason": None,
            "runners_up": [{"label": "Bark", "score": 0.81}],
            "time_s": [0.25, 0.75],
            "when_audio": [0.8, 0.2],
            "when_visual": [0.55, 0.45],
            "where": {"grid": [2, 2], "scale": [0, 0.47486], "data": "ABr/DQANzBo="},
            "sound_share": 0.58,
            "faithfulness": {
                "picture": {
                    "deletion": 0.31,
                    "insertion": 0.82,
                    "random_deletion": 0.6,
                    "random_insertion": 0.6,
                    "least_deletion": 0.82,
                    "least_insertion": 0.31,
                },
                "sound": {
                    "deletion": 0.35,
                    "insertion": 0.78,
                    "random_deletion": 0.55,
                    "random_insertion": 0.55,
                    "least_deletion": 0.78,
                    "least_insertion": 0.35,
                },
                "without_picture": 0.12,
                "without_sound": 0.05,
            },
            "counterfactual": {
                "sound": "piano",
                "event": {"label": "Piano", "score": 0.44},
                "score": 0.06,
                "moved": 0.71,
            },
        }
    ],
}


def problem_response(description: str) -> dict[str, Any]:
    """The OpenAPI entry of an error."""
    return {
        "description": description,
        "content": {
            MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": PROBLEM_EXAMPLE}
        },
    }


KEY_RESPONSES: dict[int | str, dict[str, Any]] = {
    401: problem_response("The API key is missing or not valid."),
    403: problem_response("The API key does not allow this."),
    429: problem_response("Too many requests, uploads or bytes; try again after Retry-After."),
}


class DescribedAPI(FastAPI):
    """Describes problems among the components: FastAPI itself would promise them as `application/json`."""

    def openapi(self) -> dict[str, Any]:
        """The description of the API. Made when it is first asked for, since it takes a third of a second."""
        if self.openapi_schema is None:
            _, problem = models_json_schema(
                [(Problem, "serialization")], ref_template="#/components/schemas/{model}"
            )
            super().openapi()["components"]["schemas"].update(problem["$defs"])
        return super().openapi()


def result_content() -> dict[str, Any]:
    """The OpenAPI entry of a result in all its formats."""
    content: dict[str, Any] = {entry.media_type: {"schema": _BINARY} for entry in FORMATS.values()}
    content[FORMATS["json"].media_type] = {"example": RESULT_EXAMPLE}
    for name in ("ndjson", "vtt"):
        content[FORMATS[name].media_type] = {"schema": {"type": "string"}}
    content[FORMATS["coco"].media_type] = {"schema": {"type": "object"}}
    return content


ANALYSIS_RESPONSES: dict[int | str, dict[str, Any]] = {
    202: {
        "model": JobDocument,
        "description": "The job, if the client prefers `respond-async`; 200 if it has ended meanwhile.",
    },
    200: {
        "model": ResultDocument,
        "description": "The result, in the format that `format` or the Accept header asks for.",
        "content": result_content(),
    },
    404: problem_response("There is no such bundle."),
    406: problem_response("There is no such format."),
    409: problem_response("The Idempotency-Key is in use right now."),
    408: problem_response("The client stopped sending."),
    413: problem_response("The upload is too large."),
    415: problem_response("Not multipart, or not a container or codec that is accepted."),
    422: problem_response("The request or the media cannot be used; `code` says why."),
    503: problem_response("Too much work is waiting; try again after Retry-After."),
}
