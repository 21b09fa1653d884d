"""Trials: a method and its controls, trained with several seeds, measured on what none has seen."""
