"""Passages of a corpus, found again: chunks, embeddings, the vector store, search, and answers that cite their rows."""
