"""The swarm's store: what a hub or an embedded swarm does with what members send, over one database."""
