# The action server: the same environment as Rasa's, only the actions.
FROM python:3.11-slim-bookworm AS build
WORKDIR /app
COPY scripts/uv-requirements.txt scripts/
RUN pip install --no-cache-dir --require-hashes --only-binary=:all: -r scripts/uv-requirements.txt
ENV UV_PYTHON_DOWNLOADS=never UV_LINK_MODE=copy
COPY rasa/pyproject.toml rasa/uv.lock rasa/
RUN uv sync --project rasa --frozen --no-dev --no-cache --compile-bytecode

FROM python:3.11-slim-bookworm
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin koll
WORKDIR /app
COPY --from=build /app/rasa/.venv rasa/.venv
COPY docker/health.py docker/
COPY rasa/serve_actions.py rasa/safe_logs.py rasa/
COPY language language
COPY rasa/actions rasa/actions
COPY rasa/data/words rasa/data/words
ENV PATH=/app/rasa/.venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp SANIC_HOST=0.0.0.0
USER 10001:10001
EXPOSE 5055
CMD ["python", "rasa/serve_actions.py", "--port", "5055"]
