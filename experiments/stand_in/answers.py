"""What a request is answered by: its role is told from its messages, and its answer follows from them alone."""

from experiments.stand_in import player, scribe
from experiments.stand_in.conversation import Message, take_apart, text_of
from experiments.stand_in.embedding import embed
from experiments.stand_in.skills import MODELS
from experiments.stand_in.wire import Answer, ChatRequest, chat_body, embedding_body, read_chat, read_embedding, request_hash, tokens


def _play(request: ChatRequest, messages: list[Message]) -> str:
    salt = f"{request.model}\n{request.seed or 0}"
    move = player.play(take_apart(messages), MODELS[request.model], salt)
    return f"Thought: {move.thought}\nAction: {move.action}" if move.action else move.thought


def chat(body: bytes) -> Answer:
    """The answer of a chat request. Raises Refusal."""
    request = read_chat(body)
    messages = [Message(str(message.get("role", "")), text_of(message.get("content"))) for message in request.messages]
    role = scribe.role(messages[-1].text)
    text = _play(request, messages) if role == "agent" else scribe.write(role, messages[-1].text)
    prompt = sum(tokens(message.text) for message in messages)
    return Answer(chat_body(request, request_hash(body), text, prompt), role, request.model)


def embeddings(body: bytes) -> Answer:
    """The answer of an embedding request. Raises Refusal."""
    request = read_embedding(body)
    vectors = [embed(text, request.model, request.size) for text in request.texts]
    return Answer(embedding_body(request, vectors), "embedding", request.model, len(vectors))
