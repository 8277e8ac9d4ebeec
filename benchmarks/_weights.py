"""Where the weights of the extractive summariser come from."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from rouge_score.tokenizers import DefaultTokenizer

from app.adapters.llm.extractive.salience import Text, traits_of
from app.adapters.llm.extractive.words import is_content
from benchmarks._stories import Story

_RIDGE = 10.0
_A_SUBJECT = 0.5
_FEWEST_WORDS = 6


def fitted(stories: Sequence[Story]) -> str:
    """Ridge regression of what sentences share with the references on their traits; the
    mean of each story's targets is 1."""
    rows: list[tuple[float, ...]] = []
    targets: list[float] = []
    for story in stories:
        text = Text.of(story.text)
        shared = _shared([sentence.text for sentence in text.sentences], story.references)
        rows += traits_of(text)
        targets += [value / (sum(shared) / len(shared)) for value in shared]
    weights, correlation = _ridge(np.array(rows), np.array(targets))
    return f"{[round(float(w), 3) for w in weights]}, correlation {correlation:.2f}"


def _ridge(rows: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, float]:
    """The first trait is the constant: neither centred nor shrunk."""
    traits = rows[:, 1:]
    mean, size = traits.mean(axis=0), traits.std(axis=0)
    scaled = (traits - mean) / size
    penalty = _RIDGE * np.eye(scaled.shape[1])
    found = np.linalg.solve(scaled.T @ scaled + penalty, scaled.T @ (targets - targets.mean()))
    weights = found / size
    constant = targets.mean() - weights @ mean
    correlation = float(np.corrcoef(scaled @ found, targets)[0, 1])
    return np.concatenate([[constant], weights]), correlation


def _shared(sentences: Sequence[str], references: Sequence[str]) -> list[float]:
    """Pairs of words, and half as much words that carry a subject, that a sentence shares
    with the references, on average over these, for each of its words."""
    tokenizer = DefaultTokenizer(use_stemmer=True)
    known = [_concepts(tokenizer.tokenize(reference)) for reference in references]
    found = []
    for sentence in sentences:
        tokens = tokenizer.tokenize(sentence)
        pairs, subjects = _concepts(tokens)
        gain = sum(len(pairs & p) + _A_SUBJECT * len(subjects & s) for p, s in known)
        found.append(gain / len(known) / max(_FEWEST_WORDS, len(tokens)))
    return found


def _concepts(tokens: Sequence[str]) -> tuple[set[tuple[str, str]], set[str]]:
    return set(pairwise(tokens)), set(filter(is_content, tokens))
