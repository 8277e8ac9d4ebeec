"""Reviews know their words, their language and the prompt they were read with."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_KEYS = """
UPDATE reviews
SET words_key = encode(sha256(convert_to(
    btrim(regexp_replace(text, '\\s+', ' ', 'g')), 'UTF8')), 'hex')
"""


def upgrade() -> None:
    op.add_column("reviews", sa.Column("read_with", sa.Text()))
    op.add_column("reviews", sa.Column("words_key", sa.Text()))
    op.add_column("reviews", sa.Column("language", sa.Text()))
    op.execute(_KEYS)
    op.alter_column("reviews", "words_key", nullable=False)
    op.create_index("ix_reviews_words_key", "reviews", ["words_key"])
    # What earlier texts were told from cannot be compared with what is counted now.
    op.execute("UPDATE consensus SET basis = '{}' WHERE basis <> '{}'")


def downgrade() -> None:
    # The schema before knows aspects of its list only.
    op.execute("DELETE FROM review_opinions WHERE aspect LIKE 'other:%'")
    op.execute("DELETE FROM aspect_stats WHERE aspect LIKE 'other:%'")
    op.execute("UPDATE consensus SET basis = '{}' WHERE basis <> '{}'")
    op.drop_index("ix_reviews_words_key", table_name="reviews")
    op.drop_column("reviews", "language")
    op.drop_column("reviews", "words_key")
    op.drop_column("reviews", "read_with")
