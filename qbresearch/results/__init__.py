"""Statistics and verdicts; nothing here touches the disk."""
