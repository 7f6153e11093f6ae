"""Statistical methods on arrays and tables; nothing here knows schools, counties or files."""
