"""One moment as rows of styled segments. Text, SVG and the TUI's strips are all made from those rows."""
