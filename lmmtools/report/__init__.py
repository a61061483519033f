"""Reports: tables of unrounded cells, and the formats that round and lay them out."""
