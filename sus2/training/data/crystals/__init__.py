"""Crystals as users have them: from shared files, from prototypes, and their relatives by substitution."""
