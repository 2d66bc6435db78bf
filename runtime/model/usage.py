"""What tokens cost, by a maintained list of prices that comes with its package and is not fetched."""

from genai_prices import Usage as PricedUsage
from genai_prices import calc_price

from runtime.events import Usage


def cost(model: str, usage: Usage) -> float | None:
    """Dollars; None for a model that is not listed, such as the stand-in's or one of your own."""
    tokens = PricedUsage(input_tokens=usage.input, cache_read_tokens=min(usage.cached, usage.input), output_tokens=usage.output)
    for provider in (None, "openai"):  # embedding models are not found by their name alone
        try:
            return float(calc_price(tokens, model, provider_id=provider).total_price)
        except LookupError:
            continue
    return None
