# Earsight as a service. Targets: cpu (last, so also the default) and gpu.
#   docker build --target cpu --tag earsight:cpu .
#   docker build --target gpu --tag earsight:gpu .

# A registry digest pins the base for good: --build-arg PYTHON_IMAGE=python@sha256:...
ARG PYTHON_IMAGE=python:3.12-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
RUN python -m venv --without-pip /opt/earsight
COPY pyproject.toml ./


FROM build AS build-cpu
RUN python -c "import tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
print(*project['dependencies'], *project['optional-dependencies']['cpu'], sep='\n')" > requirements.txt \
    && python -m pip --python /opt/earsight/bin/python install --requirement requirements.txt
COPY README.md LICENSE NOTICE ./
COPY app ./app
COPY training ./training
RUN python -m pip --python /opt/earsight/bin/python install --no-deps .


FROM build AS build-gpu
RUN python -c "import tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \
print(*project['dependencies'], *project['optional-dependencies']['gpu'], sep='\n')" > requirements.txt \
    && python -m pip --python /opt/earsight/bin/python install --requirement requirements.txt
COPY README.md LICENSE NOTICE ./
COPY app ./app
COPY training ./training
RUN python -m pip --python /opt/earsight/bin/python install --no-deps .


FROM ${PYTHON_IMAGE} AS runtime
# The base's pip is not needed to run; the wheels bring FFmpeg and ONNX Runtime with them.
RUN python -m pip uninstall --yes --root-user-action=ignore pip \
    && groupadd --gid 10001 earsight \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin earsight
ENV PATH=/opt/earsight/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /tmp
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import http.client; c = http.client.HTTPConnection('127.0.0.1', 8000, timeout=4); c.request('GET', '/livez'); raise SystemExit(c.getresponse().status != 200)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["earsight"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]


FROM runtime AS gpu
# CUDA 13 and cuDNN come as wheels; ONNX Runtime's provider looks for them on the library path.
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    LD_LIBRARY_PATH=/opt/earsight/lib/python3.12/site-packages/nvidia/cu13/lib:/opt/earsight/lib/python3.12/site-packages/nvidia/cudnn/lib
COPY --from=build-gpu /opt/earsight /opt/earsight


FROM runtime AS cpu
COPY --from=build-cpu /opt/earsight /opt/earsight
