"""The sections of a report: each takes the study, writes its CSVs and figures, and says what goes on the page."""
