"""Commands on what is finished: lists, differences, figures, tables, and files for other tools."""
