"""Plans of counties and prefectures against the standard and against what has been reached."""
