"""The tables, by room, and the mapping of the entities on them."""

from functools import cache

from app.adapters.postgres.tables import audit, budget, discovery, files, jobs, keys, vectors
from app.adapters.postgres.tables.accounts import map_accounts
from app.adapters.postgres.tables.base import metadata
from app.adapters.postgres.tables.catalog import map_catalog
from app.adapters.postgres.tables.lending import map_lending
from app.adapters.postgres.tables.recommendations import map_recommendations
from app.adapters.postgres.tables.reviews import map_reviews

__all__ = [
    "audit",
    "budget",
    "discovery",
    "files",
    "jobs",
    "keys",
    "map_entities",
    "metadata",
    "vectors",
]


@cache
def map_entities() -> None:
    """Map every entity on its table; more than once does nothing."""
    map_accounts()
    map_catalog()
    map_lending()
    map_reviews()
    map_recommendations()
