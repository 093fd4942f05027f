"""One format a file; each writes a finished or growing trace to a stream, the same bytes for the same trace."""
