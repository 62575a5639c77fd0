"""The others, each as its documentation shows it; they run in an environment of their own."""
