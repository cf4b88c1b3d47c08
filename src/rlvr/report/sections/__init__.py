"""The sections of a report. Each writes its CSVs and figures, and returns the blocks for the page."""
