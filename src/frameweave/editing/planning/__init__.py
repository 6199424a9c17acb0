"""What an edit will take, told before it starts."""
