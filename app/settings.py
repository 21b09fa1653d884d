"""Every setting of the service and the command line, in one tree.

Environment variables: prefix `EARSIGHT_`, groups joined by `__`, for example
`EARSIGHT_LIMITS__MAX_UPLOAD_BYTES`. Settings are passed in; no module reads them from a global.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

MiB = 1024 * 1024


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ServerSettings(_Group):
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 lets the system choose.")
    max_concurrent_analyses: int = Field(1, ge=1, le=64, description="Clips analysed at the same time.")
    max_waiting_analyses: int = Field(
        8, ge=0, le=1024, description="Clips that may wait for a free place; more are refused with 503."
    )
    upload_timeout_s: float = Field(
        120.0, gt=0, le=3600, description="Longest pause while a client sends its upload, in seconds."
    )
    drain_s: float = Field(
        30.0, ge=0, le=3600, description="Time given to running work on SIGTERM, in seconds."
    )


class LimitSettings(_Group):
    """Budgets for untrusted input. Headers lie, so each is checked before and during decoding."""

    max_upload_bytes: int = Field(512 * MiB, ge=1024, description="Largest upload, in bytes.")
    max_duration_s: float = Field(3600.0, gt=0, description="Longest clip, in seconds.")
    max_pixels: int = Field(4096 * 4096, ge=4096, description="Largest frame, in pixels.")
    max_fps: float = Field(240.0, gt=0, description="Highest frame rate that is accepted.")
    max_frames: int = Field(220_000, ge=1, description="Most frames decoded from one clip.")
    max_decoded_pixels: int = Field(
        500_000_000_000, ge=4096, description="Most pixels decoded from one clip, all frames together."
    )
    max_sync_duration_s: float = Field(
        600.0, gt=0, description="Longest clip that is answered at once, in seconds; a job may be longer."
    )


class DecodeSettings(_Group):
    """The sandboxed decode child."""

    cpu_s: int = Field(1800, ge=1, le=86_400, description="CPU time of the decode child, in seconds.")
    stall_s: float = Field(
        20.0,
        gt=0,
        le=600,
        description="The child is killed when it delivers nothing for so long, in seconds.",
    )
    memory_bytes: int = Field(
        2048 * MiB, ge=256 * MiB, description="Address space of the decode child, in bytes."
    )
    threads: int = Field(2, ge=1, le=64, description="Decoder threads (slice threading).")


class InferenceSettings(_Group):
    bundle: str = Field("default", description="Bundle that answers when a request names none.")
    bundle_dirs: tuple[Path, ...] = Field(
        (), description="Directories searched for bundles before the ones that ship with Earsight."
    )
    device: Literal["auto", "cpu", "cuda", "tensorrt"] = Field(
        "auto",
        description="'cuda' and 'tensorrt' fail without a GPU; 'auto' takes CUDA, or the CPU and says so.",
    )
    engines_dir: Path | None = Field(
        None,
        description="Where TensorRT keeps what it has built; none takes the user's directory for caches.",
    )
    threads: int = Field(0, ge=0, le=256, description="ONNX Runtime threads; 0 takes the cores one may use.")
    batch_frames: int = Field(4, ge=1, le=64, description="Frames encoded in one run of the visual graph.")
    streams: int = Field(
        0,
        ge=0,
        le=64,
        description="Frames of a batch encoded at the same time on the CPU; 0: as many as threads, up to 4.",
    )
    chunk_frames: int = Field(16, ge=1, le=256, description="Frames held in memory at a time.")
    fps: float = Field(0.0, ge=0, le=60, description="Frames analysed per second; 0 takes the bundle's.")


class JobSettings(_Group):
    """Work that is accepted now and done later."""

    directory: Path | None = Field(
        None, description="Where store and artifacts lie; none takes the user's directory for state."
    )
    database_url: SecretStr | None = Field(
        None, description="SQLAlchemy URL of the store; none takes SQLite in the directory."
    )
    artifacts_url: str | None = Field(
        None, description="fsspec URL of inputs and results, such as s3://bucket/path; none: the directory."
    )
    backend: Literal["local", "ray"] = Field(
        "local", description="What works on jobs: threads of this process, or workers of a Ray cluster."
    )
    workers: int = Field(
        2, ge=0, le=64, description="Jobs that run at the same time in this process; for 'local'."
    )
    ray_address: str | None = Field(
        None, description="Cluster to join, such as host:6379; none takes the one that runs on this machine."
    )
    ray_workers: int = Field(
        0, ge=0, le=1024, description="Workers on the cluster; 0 takes as many as fit its nodes at any time."
    )
    ray_cores: int = Field(1, ge=1, le=256, description="CPU cores of each worker of the cluster.")
    ray_gpus: float = Field(
        0.0, ge=0, le=8, description="GPUs of each worker of the cluster; several can share one, as with 0.5."
    )
    ray_part_s: float = Field(
        60.0,
        gt=0,
        description="On the cluster longer clips are cut into parts of about this length, in seconds.",
    )
    long_s: float = Field(
        60.0, gt=0, description="Clips longer than this never take the last free worker, in seconds."
    )
    lease_s: float = Field(
        30.0,
        ge=0.5,
        le=3600,
        description="A job whose worker is silent for so long is done anew, in seconds.",
    )
    max_attempts: int = Field(3, ge=1, le=100, description="Times a job is begun before it counts as failed.")
    deadline_s: float = Field(7200.0, gt=0, le=604_800, description="Longest a job may run, in seconds.")
    max_queued: int = Field(1000, ge=1, description="Jobs that may wait; more are refused with 503.")
    max_queued_per_key: int = Field(
        100, ge=1, description="Jobs of one key that may wait or run; more are refused with 429."
    )
    keep_s: float = Field(
        86_400.0,
        gt=0,
        description="Input and results are removed so long after the end of a job, in seconds.",
    )
    forget_s: float = Field(
        604_800.0, gt=0, description="The record of a job is removed so long after its results, in seconds."
    )
    idempotency_s: float = Field(
        86_400.0, gt=0, description="An Idempotency-Key is remembered for so long, in seconds."
    )


class AuthSettings(_Group):
    """Who may do what, and how often."""

    keys_file: Path | None = Field(
        None, description="File of API keys, made by `earsight keys create`; read again when it changes."
    )
    allow_anonymous: bool = Field(
        False, description="Serve without keys on an address that other machines can reach."
    )
    requests_per_minute: int = Field(
        600, ge=0, description="Requests of one key, or of one address without keys; 0 for no limit."
    )
    max_concurrent_uploads: int = Field(
        16, ge=1, description="Uploads of one key, or of one address without keys, at the same time."
    )
    upload_bytes_per_hour: int = Field(
        0, ge=0, description="Bytes that one key, or one address without keys, may upload; 0 for no limit."
    )


class WebhookSettings(_Group):
    """Messages to a server of the client's when a job ends."""

    secrets: tuple[SecretStr, ...] = Field(
        (), description="Signing secrets (whsec_...), the newest first; without one there are no webhooks."
    )
    allow_hosts: tuple[str, ...] = Field(
        (), description="Hosts that may be called; none allows every public one."
    )
    allow_private: bool = Field(False, description="Also call hosts at private addresses.")
    timeout_s: float = Field(10.0, gt=0, le=120, description="Longest wait for an answer, in seconds.")
    max_attempts: int = Field(8, ge=1, le=20, description="Deliveries tried, at growing distances.")


class OverlaySettings(_Group):
    max_side: int = Field(1280, ge=64, le=4096, description="Longest side of the overlay video, in pixels.")
    max_fps: float = Field(30.0, gt=0, le=120, description="Highest frame rate of the overlay video.")
    colormap: str = Field(
        "inferno", description="Perceptually uniform colour map (names of the cmap package)."
    )
    opacity: float = Field(0.55, ge=0, le=1, description="Opacity of the colour where the heatmap is 1.")


class PageSettings(_Group):
    enabled: bool = Field(True, description="Serve the page for people at /.")


class TelemetrySettings(_Group):
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe log line."
    )
    log_format: Literal["json", "text"] = Field("json", description="One JSON object a line, or plain text.")
    metrics: bool = Field(True, description="Serve Prometheus metrics at /metrics.")
    tracing: bool = Field(
        False, description="Send OpenTelemetry traces; needs the extra 'otel' and OTEL_* variables."
    )


class Settings(BaseSettings):
    """The whole tree. `Settings()` reads the environment; pass groups to override in code."""

    model_config = SettingsConfigDict(
        env_prefix="EARSIGHT_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    server: ServerSettings = ServerSettings()
    limits: LimitSettings = LimitSettings()
    decode: DecodeSettings = DecodeSettings()
    inference: InferenceSettings = InferenceSettings()
    jobs: JobSettings = JobSettings()
    auth: AuthSettings = AuthSettings()
    webhooks: WebhookSettings = WebhookSettings()
    overlay: OverlaySettings = OverlaySettings()
    page: PageSettings = PageSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    scratch_dir: Path | None = Field(None, description="Where uploads are spooled; none takes the system's.")
