"""Reports of results: tables of unrounded cells, sentences, and the formats that round and lay them out."""
