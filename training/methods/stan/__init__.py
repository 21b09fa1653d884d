"""STAN: space-time attention that recognises what is seen and heard, and explains itself."""
