"""The web site that shows a study to its raters."""
