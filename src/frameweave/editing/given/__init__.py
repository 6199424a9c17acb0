"""Files that are given beside the video: masks, pictures that steer, edited frames."""
