"""The pure state machine, the gates, and the shell that carries out effects."""
