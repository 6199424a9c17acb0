"""What a study's votes say."""
