"""What the web servers of the study and the app have in common."""
