"""The page of the app, made with Gradio. Start reading in `page`."""
