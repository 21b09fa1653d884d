"""What bundles with a trained head beside the localiser have in common, whatever the head."""
