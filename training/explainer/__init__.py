"""From a trained explainer to a bundle that explains."""
