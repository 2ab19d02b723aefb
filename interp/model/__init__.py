"""The model side: loading, batching, residuals."""
