"""What a person sees: lists as tables, and the demo with its live view.

`scrape` reads the workers' metrics, `follow` one listener's lists, `view` and `lines` draw both,
`show` runs it all, `summary` ends it. Nothing here decides anything about plays or lists.
"""
