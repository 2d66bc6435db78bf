"""Model endpoints: chat and embeddings, one retry layer, an adaptive limit, and what calls cost."""
