"""The index in the server's query engine, asked through redisvl: version and search in one round trip."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import structlog
from redis.exceptions import ResponseError
from redisvl.query import FilterQuery, VectorQuery, VectorRangeQuery
from redisvl.query.filter import FilterExpression, Num, Tag

from memory.facts import NAME_DIGITS, Candidates, best_matches, name_id
from memory.grown_index import GrownIndex
from memory.index import DIGITS, Found, Hit, Vector
from memory.procedure import Content
from memory.read import fact_ids
from runtime.bus.scripts import Client, patiently
from runtime.keys import Keys

RETURNED = ["revision", "goal", "body"]
TEXTS = [b"status", *(field.encode() for field in RETURNED)]
MOST = 10_000
"""Results that a server gives to one query at most: of more that are equally close, any may come."""
Query = tuple[str, VectorQuery | VectorRangeQuery | FilterQuery]
"""An alias, and what is asked of the index behind it."""
SIMILAR = 1000
"""Facts that match a wanted one at most, the closest."""
PAGE = 8
"""How many times the wanted number is asked for at first of those whose facts match: equally good ones are common."""
ROUNDING = 1e-5
"""By which the server's score of a procedure may be off."""
ROOMY = 8
"""How many times the wanted number an arc of the ring should hold, so that it hardly ever holds fewer."""
Fields = dict[bytes, bytes]
Similar = dict[str, float]
"""Cosines to a wanted fact, by the ids of those that match it."""

log = structlog.get_logger()


class Reply(NamedTuple):
    """A query's answer: how many it matched in all; then, of those returned, key, score (where asked for) and flat fields in turn."""

    total: int
    keys: list[Any]

    @property
    def rows(self) -> list[tuple[bytes, Fields]]:
        return [(key, _fields(flat)) for key, flat in zip(*[iter(self.keys)] * 2, strict=True)]

    @property
    def scored(self) -> list[tuple[bytes, float, bytes]]:
        """Key, score, and the value of the only field."""
        return [(key, float(score), value) for key, score, (_, value) in zip(*[iter(self.keys)] * 3, strict=True)]


class RedisIndex:
    """Implements `memory.index.ProcedureIndex` over the procedure and fact hashes."""

    def __init__(self, client: Client, keys: Keys, dimension: int, exact_up_to: int) -> None:
        self._client = client
        self._keys = keys
        self._prefix = len(keys.procedure("").encode())
        self._matched: dict[str, int] = {}
        """About how many active procedures each environment has."""
        fields = {"status": "tag", "facts": "tag", "fact_names": "tag", "shuffle": "numeric"}
        self._procedures = GrownIndex(client, keys.index, keys.procedure(""), dimension, fields, exact_up_to)
        self._facts = GrownIndex(client, keys.fact_index, keys.fact(""), dimension, {}, exact_up_to)  # which never grows: see `fit`

    async def create(self) -> None:
        """Create what is missing; safe to call from several processes at once."""
        await self._procedures.create()
        await self._facts.create()

    async def drop(self) -> None:
        """Remove all indexes of this namespace; the hashes stay."""
        await self._procedures.drop()
        await self._facts.drop()

    async def fit(self) -> None:
        """Facts stay exact: they are few, and a graph is no way to find all within a distance."""
        await self._procedures.fit()

    async def nearest(self, vector: Vector, k: int, env: str) -> Found:
        size = min(k + 1, MOST)
        while True:
            query = VectorQuery(vector.tobytes(), "vector", return_fields=RETURNED, num_results=size, filter_expression=_active(env))
            version, [reply] = await self._ask((self._keys.index, query))
            hits = sorted(map(self._hit, reply.rows), key=lambda hit: (hit.distance, hit.procedure))
            if len(hits) < size or size == MOST or hits[-1].distance != hits[k - 1].distance:
                return Found(version, hits[:k])
            size = min(4 * size, MOST)  # the cut goes through equally close ones, of which the server picks any

    async def draw(self, start: float, k: int, env: str) -> Found:
        """The server sorts all that it matches: so it is asked for an arc that should hold enough, and for the ring only if not."""
        arc = min(1.0, ROOMY * k / self._matched.get(env, 1))
        while True:
            version, replies = await self._ask(*((self._keys.index, query) for query in _arcs(start, start + arc, k, env)))
            hits = [self._hit(row) for reply in replies for row in reply.rows][:k]
            self._matched[env] = max(1, int(sum(reply.total for reply in replies) / arc))
            if len(hits) == k or arc == 1.0:
                return Found(version, hits)
            arc = 1.0

    async def matching(self, wanted: Mapping[str, Vector], threshold: float, k: int, env: str) -> Found:
        """Facts first, then those who have them; of these first those who match all that is wanted, then who lacks one, and so on: the
        former are few, and mostly better than any of the others can be."""
        version, replies = await self._ask(*((self._keys.fact_index, _similar(vector, threshold, env)) for vector in wanted.values()))
        similar = {name_id(env, name): _similarities(reply, threshold) for name, reply in zip(wanted, replies, strict=True)}
        highest = sorted((max(facts.values()) for facts in similar.values() if facts), reverse=True)
        best: list[tuple[str, float]] = []
        for least in range(len(highest), 0, -1):
            best = await self._best(similar, threshold, k, least)
            if len(best) == k and 1 - best[-1][1] > sum(highest[: least - 1]) / len(similar) + ROUNDING:
                break  # nobody who matches fewer is as good
        return Found(version, await self._hits(best))

    async def _best(self, similar: Mapping[str, Similar], threshold: float, k: int, least: int) -> list[tuple[str, float]]:
        """The k best of those who match so many, with their distances: as the server ranks them, until none that it left out can be
        among them."""
        size = min(PAGE * k, MOST)
        while True:
            _, [reply] = await self._ask((self._keys.index, _ranked(similar, size, least)))
            rows = [(self._name(key), score / len(similar), fact_ids(facts)) for key, score, facts in reply.scored]
            best = best_matches([*similar], _candidates(rows, [*similar.values()]), threshold, k)
            if len(rows) < size or size == MOST or _is_settled(best, [score for _, score, _ in rows], k):
                return best
            size = min(4 * size, MOST)

    async def _hits(self, scored: Sequence[tuple[str, float]]) -> list[Hit]:
        """These procedures as they are now, with these distances; read apart, as a page of candidates would be long with their texts."""
        rows = await patiently(lambda: self._texts([name for name, _ in scored]).execute())
        # One may have been deprecated since it was found, or be gone.
        found = [(name, distance, dict(zip(TEXTS, row, strict=True))) for (name, distance), row in zip(scored, rows, strict=True)]
        return [_made(name, distance, fields) for name, distance, fields in found if fields[b"status"] == b"active"]

    def _texts(self, names: list[str]) -> Any:
        pipe = self._client.pipeline(transaction=False)
        for name in names:
            pipe.hmget(self._keys.procedure(name), TEXTS)
        return pipe

    async def _ask(self, *queries: Query) -> tuple[int, list[Reply]]:
        """Memory's version, then the queries, in one round trip."""
        try:
            version, *replies = await patiently(lambda: self._asked(queries).execute())
        except ResponseError as error:
            if "no such index" not in str(error).lower():
                raise
            await self.create()  # the server was emptied
            version, *replies = await patiently(lambda: self._asked(queries).execute())
        return int(version or 0), [Reply(reply[0], reply[1:]) for reply in replies]

    def _asked(self, queries: Sequence[Query]) -> Any:
        pipe = self._client.pipeline(transaction=False)
        pipe.hget(self._keys.meta, "version")
        for alias, query in queries:
            params = [part for pair in query.params.items() for part in pair]
            pipe.execute_command("FT.SEARCH", alias, *query.get_args(), *(["PARAMS", len(params), *params] if params else []))
        return pipe

    def _hit(self, row: tuple[bytes, Fields]) -> Hit:
        key, fields = row
        distance = round(float(fields[b"vector_distance"]), DIGITS) if b"vector_distance" in fields else None
        return _made(self._name(key), distance, fields)

    def _name(self, key: bytes) -> str:
        return key[self._prefix :].decode()


def _active(env: str) -> FilterExpression:
    return (Tag("env") == env) & (Tag("status") == "active")


def _similar(vector: Vector, threshold: float, env: str) -> VectorRangeQuery:
    """Facts of any name, the closest first; a little more than the threshold allows, as the server rounds otherwise."""
    within = 1 - threshold + 1e-5
    return VectorRangeQuery(vector.tobytes(), "vector", num_results=SIMILAR, filter_expression=Tag("env") == env, distance_threshold=within)


def _similarities(reply: Reply, threshold: float) -> Similar:
    found = {key.decode().rsplit(":", 1)[1]: round(1 - float(fields[b"vector_distance"]), DIGITS) for key, fields in reply.rows}
    return {fact: similarity for fact, similarity in found.items() if similarity >= threshold and similarity > 0}


def _candidates(rows: Sequence[tuple[str, float, list[str]]], similar: Sequence[Similar]) -> Candidates:
    facts = [fact for _, _, each in rows for fact in each]
    similarities = np.array([[each.get(fact, 0.0) for fact in facts] for each in similar])
    owners = np.repeat(np.arange(len(rows)), [len(each) for _, _, each in rows])
    return Candidates([name for name, _, _ in rows], owners, [fact[:NAME_DIGITS] for fact in facts], similarities)


def _ranked(similar: Mapping[str, Similar], size: int, least: int) -> FilterQuery:
    """Procedures that match so many of the wanted facts, whatever the names; ranked by what `memory.facts.average_similarities` adds up:
    DISMAX adds the scores of what is asked for together, and takes the highest of alternatives."""
    met = [str(Tag("facts") == sorted(facts)) for facts in similar.values() if facts]
    needed = " | ".join(f"({' '.join(some)})" for some in combinations(met, least))
    # The status comes first: the server would take what follows an intersection into that, under its weight.
    parts = [f"{Tag('status') == 'active'} => {{ $weight: 0 }}", f"({needed}) => {{ $weight: 0 }}"]
    parts += [_part(name, facts) for name, facts in similar.items() if facts]
    query = FilterQuery(return_fields=["facts"], num_results=size, filter_expression=" ".join(parts))
    query.scorer("DISMAX").with_scores()
    return query


def _part(name: str, facts: Similar) -> str:
    """Optional part of a query: facts of this name, and for those who have none of it any others, as in

        (~((@facts:{a} => {$weight: 1}) | (@facts:{b} => {$weight: 0.9}) | ((@facts:{c} => {$weight: 0.7}) -@fact_names:{n})))
            => {$weight: 0.8}

    Inside it the best weighs 1, as the server forgets the weight of an only alternative; brackets, as a weight binds closer than the ~.
    """
    best = max(facts.values())
    own = [_weighted(fact, value / best) for fact, value in facts.items() if fact.startswith(name)]
    others = " | ".join(_weighted(fact, value / best) for fact, value in facts.items() if not fact.startswith(name))
    parts = [*own, f"(({others}) -@fact_names:{{{name}}})"] if others else own
    return f"(~({' | '.join(parts)})) => {{ $weight: {best:.9f} }}"


def _weighted(fact: str, weight: float) -> str:
    return f"(@facts:{{{fact}}} => {{ $weight: {weight:.9f} }})"


def _is_settled(best: Sequence[tuple[str, float]], scores: Sequence[float], k: int) -> bool:
    """Whether the server's last score is worse than our kth, or is 0, as then all others match nothing (a fact like one that is wanted may
    have another name). Its scores of the best should be ours: else it can't be believed, and all is looked at."""
    if any(abs(score - (1 - distance)) > ROUNDING for score, (_, distance) in zip(scores, best, strict=False)):
        log.warning("ranking_unexpected", scores=scores[:k], distances=[distance for _, distance in best])
        return False
    return scores[-1] < ROUNDING or (len(best) == k and scores[-1] < 1 - best[-1][1] - ROUNDING)


def _arcs(start: float, end: float, k: int, env: str) -> list[FilterQuery]:
    """The arc of the ring from `start` to `end`, which may lie beyond its seam at 1."""
    shuffle = Num("shuffle")
    # As one range: the server would read both halves of an intersection whole.
    arcs = [shuffle.between(start, end, "left")] if end < 1 else [shuffle >= start, shuffle < min(start, end - 1)]
    return [FilterQuery(return_fields=RETURNED, num_results=k, filter_expression=_active(env) & arc, sort_by="shuffle") for arc in arcs]


def _made(name: str, distance: float | None, fields: Fields) -> Hit:
    return Hit(name, int(fields[b"revision"]), fields[b"goal"].decode(), Content.model_validate_json(fields[b"body"]), distance)


def _fields(flat: list[bytes]) -> Fields:
    return dict(zip(*[iter(flat)] * 2, strict=True))
