package asynchttp

// Counts returns the number of connections, of those that lie idle, and of the
// hosts that the pool knows.
func (t *Transport) Counts() (all, idle, hosts int) {
	return t.pool.all.Len(), t.pool.idle.Len(), len(t.pool.hosts)
}
