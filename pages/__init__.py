"""One folder a page: page.py asks, shows and calls; view.py draws. A page never imports another."""
