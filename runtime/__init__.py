"""The ground floor: config, errors, LLM client, event bus, agent loop, embedded server."""
