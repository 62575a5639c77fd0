"""Translation: texts, amounts and times in the reader's language."""
