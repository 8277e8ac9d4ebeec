"""The whole story of a library, played over HTTP against a server of its own."""
