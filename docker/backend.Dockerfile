# The backend: the only container that people reach.
FROM python:3.11-slim-bookworm AS build
WORKDIR /app
COPY scripts/uv-requirements.txt scripts/
RUN pip install --no-cache-dir --require-hashes --only-binary=:all: -r scripts/uv-requirements.txt
ENV UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy
COPY pyproject.toml uv.lock ./
RUN uv sync --frozen --no-dev --no-cache --compile-bytecode

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin koll
WORKDIR /app
COPY --from=build /app/.venv .venv
COPY docker/health.py docker/
COPY content content
COPY language language
# Only read, so that an editor can find and change the assistant's answers.
COPY rasa/domain rasa/domain
COPY backend backend
ENV PATH=/app/.venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOST=0.0.0.0 PORT=8000
USER 10001:10001
EXPOSE 8000
CMD ["python", "-m", "backend", "serve"]
