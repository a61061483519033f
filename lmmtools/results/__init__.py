"""``LMMResults``: the record of a fit with methods that call functions, and its form as a file."""
