"""What a request is answered by: its role is told from its messages, and its answer follows from them alone."""

from experiments.stand_in import player, scribe
from experiments.stand_in.conversation import Message, take_apart, text_of
from experiments.stand_in.embedding import embed
from experiments.stand_in.skills import MODELS
from experiments.stand_in.travel import answers as travel
from experiments.stand_in.wire import Answer, ChatRequest, chat_body, embedding_body, read_chat, read_embedding, request_hash, tokens


def _answered(request: ChatRequest, messages: list[Message]) -> tuple[str, str]:
    """Role and answer."""
    if (role := scribe.role(messages[-1].text)) != "agent":
        return role, scribe.write(role, messages[-1].text)
    skill, salt = MODELS[request.model], f"{request.model}\n{request.seed or 0}"
    if travelled := travel.answer(messages, skill, salt):
        return travelled
    move = player.play(take_apart(messages), skill, salt)
    return role, f"Thought: {move.thought}\nAction: {move.action}" if move.action else move.thought


def chat(body: bytes) -> Answer:
    """The answer of a chat request. Raises Refusal."""
    request = read_chat(body)
    messages = [Message(str(message.get("role", "")), text_of(message.get("content"))) for message in request.messages]
    role, text = _answered(request, messages)
    prompt = sum(tokens(message.text) for message in messages)
    return Answer(chat_body(request, request_hash(body), text, prompt), role, request.model)


def embeddings(body: bytes) -> Answer:
    """The answer of an embedding request. Raises Refusal."""
    request = read_embedding(body)
    vectors = [embed(text, request.model, request.size) for text in request.texts]
    return Answer(embedding_body(request, vectors), "embedding", request.model, len(vectors))
