"""Fitting a model away from whoever answers questions."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager

from app.ports.recommender import Interaction, Item


class FitFailed(Exception):
    """The fit raised, died or took too long; the words say which."""


class FittedModel(ABC):
    """A model as the bytes of its file, for as long as its context is open."""

    @property
    @abstractmethod
    def books(self) -> int:
        """How many items it knows."""

    @abstractmethod
    def read(self) -> AsyncIterator[bytes]: ...


class ModelWorkshop(ABC):
    @property
    @abstractmethod
    def makes(self) -> str:
        """The name of the recommender that is fitted here."""

    @abstractmethod
    def fitted(
        self,
        version: str,
        items: AsyncIterator[Sequence[Item]],
        interactions: AsyncIterator[Sequence[Interaction]],
    ) -> AbstractAsyncContextManager[FittedModel]:
        """Fit a new model on what streams in, page by page: no more than a page at a time is
        held here. Raises FitFailed; whatever the pages raise comes out as it is."""
