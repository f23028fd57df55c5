"""Training on a user's own labelled frames: reading, checking, splitting, fitting, and how much data is needed."""
