"""Commands about what a run needs: data, models, this machine."""
