"""What there is to say and to show of a result, for the page, the API, files and forums."""
