import base64

import numpy as np
import pytest

from experiments.stand_in.embedding import embed
from tests.experiments.stand_in.clients import connected


def cosine(one: str, other: str, model: str = "stand-in-embedding") -> float:
    return float(embed(one, model, 256) @ embed(other, model, 256))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("put a hot apple in fridge", "heat some apple and put it in fridge"),
        ("look at mug under the desklamp", "examine the mug with the desklamp"),
        ("put two cd in safe", "find two cd and put them in safe"),
        ("mug", "mugs"),
    ],
)
def test_embedding_same_task_in_other_words_is_near(one: str, other: str) -> None:
    assert cosine(one, other) > 0.85


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("put a hot apple in fridge", "examine the cd with the desklamp"),
        ("put a hot apple in fridge", "put some soapbar in cabinet"),
        ("clean some plate and put it in shelf", "find two pillow and put them in sofa"),
        ("heat", "cool"),
    ],
)
def test_embedding_unrelated_task_is_far(one: str, other: str) -> None:
    assert cosine(one, other) < 0.4


def test_embedding_shared_object_and_operation_is_between() -> None:
    assert 0.4 < cosine("put a hot apple in fridge", "put a hot apple in garbagecan") < 0.95


@pytest.mark.parametrize("text", ["", " ", "…", "mug", "a", "put it in the mug " * 500])
def test_embedding_any_text_has_length_one(text: str) -> None:
    vector = embed(text, "stand-in-embedding", 256)
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)


def test_embedding_different_texts_differ() -> None:
    texts = ["", " ", "mug", "mugs and cups", "put a mug in shelf", "put a mug in a shelf", "…"]
    vectors = {embed(text, "stand-in-embedding", 256).tobytes() for text in texts}
    assert len(vectors) == len(texts)


def test_embedding_other_model_name_gives_an_unrelated_vector() -> None:
    one, other = (
        embed("put a hot apple in fridge", "stand-in-embedding", 256),
        embed("put a hot apple in fridge", "stand-in-embedding-2", 256),
    )
    assert abs(float(one @ other)) < 0.4


@pytest.mark.parametrize(
    ("model", "size"), [("stand-in-embedding", 256), ("stand-in-embedding-other", 256), ("text-embedding-3-small", 1536)]
)
async def test_embeddings_default_dimension_follows_the_model(model: str, size: int) -> None:
    async with connected() as (_, client):
        answer = await client.embeddings.create(model=model, input="mug")
    assert len(answer.data[0].embedding) == size


async def test_embeddings_list_comes_back_in_order_with_the_dimensions_asked() -> None:
    texts = ["mug", "apple", "mug", ""]
    async with connected() as (_, client):
        answer = await client.embeddings.create(model="stand-in-embedding", input=texts, dimensions=64)
    vectors = [entry.embedding for entry in answer.data]
    assert [entry.index for entry in answer.data] == [0, 1, 2, 3]
    assert {len(vector) for vector in vectors} == {64}
    assert vectors[0] == vectors[2] != vectors[1]


async def test_embeddings_base64_and_float_hold_the_same_numbers() -> None:
    async with connected() as (_, client):
        plain = await client.embeddings.create(model="stand-in-embedding", input="mug", encoding_format="float")
        coded = await client.embeddings.create(model="stand-in-embedding", input="mug", encoding_format="base64")
    decoded = np.frombuffer(base64.b64decode(str(coded.data[0].embedding)), dtype="<f4")
    assert decoded == pytest.approx(plain.data[0].embedding)
