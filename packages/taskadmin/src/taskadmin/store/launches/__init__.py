"""Launches: of slots and due tasks, manual, retried and missed; and closing them."""
