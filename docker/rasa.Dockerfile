# Rasa with the model trained into the image: what was tested is what runs.
FROM python:3.11-slim-bookworm AS build
WORKDIR /app
COPY scripts/uv-requirements.txt scripts/
RUN pip install --no-cache-dir --require-hashes --only-binary=:all: -r scripts/uv-requirements.txt
ENV UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy
COPY rasa/pyproject.toml rasa/uv.lock rasa/
RUN uv sync --project rasa --frozen --no-dev --no-cache --compile-bytecode
COPY language language
COPY rasa rasa
RUN rasa/.venv/bin/python rasa/train.py

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin koll
WORKDIR /app
COPY --from=build /app/language language
COPY --from=build /app/rasa rasa
COPY docker/health.py docker/
ENV PATH=/app/rasa/.venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp MPLCONFIGDIR=/tmp
USER 10001:10001
EXPOSE 5005
CMD ["python", "rasa/launcher.py", "run", "-i", "0.0.0.0", "-p", "5005", "--endpoints", "rasa/endpoints.compose.yml"]
