"""How far to trust a number: a committee of readouts, its calibration, verdicts in words."""
