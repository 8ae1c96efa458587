"""A witness for a second institution: cosigns each log's growth, and knows nothing of the service's database."""
