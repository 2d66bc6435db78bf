"""Prices of tokens."""

from runtime.events import Usage
from runtime.model.usage import cost


def test_cost_of_a_known_model_counts_cached_tokens_at_their_price() -> None:
    dear = cost("gpt-4o", Usage(input=1000, output=100))
    cheaper = cost("gpt-4o", Usage(input=1000, cached=1000, output=100))
    assert dear is not None
    assert cheaper is not None
    assert 0 < cheaper < dear < 1
    assert cost("text-embedding-3-small", Usage(input=1000))


def test_cost_of_an_unknown_model_is_none() -> None:
    assert cost("stand-in-strong", Usage(input=1000, output=100)) is None
    assert cost("", Usage()) is None


def test_cost_of_impossible_counts_is_no_error() -> None:
    assert cost("gpt-4o", Usage(input=1, cached=5)) is not None
