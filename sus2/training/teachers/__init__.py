"""Teachers that label structures, each in an environment of its own."""
