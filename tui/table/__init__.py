"""The virtual table: sources of rows, columns' widths, and the widget."""
