"""Where records come from: a file, a folder of files, or a query put to a database. All read as text, by one door."""
