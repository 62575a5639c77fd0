"""Values from people and jobs: which can be stored, and how they are shown."""
