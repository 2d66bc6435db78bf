"""How entities are called in the text: `mug_bar__plus_03_…` becomes `mug 1`."""

from collections import Counter
from collections.abc import Iterable


def kind_of(entity: str) -> str:
    """The word before an entity's number; basins (`sink_bar_…_bar_sinkbasin`) are kinds of their own."""
    kind = entity.split("_bar_", 1)[0]
    return f"{kind}basin" if "basin" in entity else kind


def name_entities(entities: Iterable[str]) -> dict[str, str]:
    """Names by entity, numbered downwards in sorted order within a kind: exactly ALFWorld's, its blank after unnumbered ones too."""
    ordered = sorted(entities)
    left = Counter(kind_of(entity) for entity in ordered if "_bar_" in entity)
    names: dict[str, str] = {}
    for entity in ordered:
        kind = kind_of(entity)
        names[entity] = f"{kind} {left[kind]}" if "_bar_" in entity else f"{entity} "
        left[kind] -= "_bar_" in entity
    return names
