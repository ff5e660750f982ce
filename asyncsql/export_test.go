package asyncsql

// Jobs returns how many calls the threads have begun.
func Jobs(db *DB) uint64 {
	s := db.lanes.threads.Stats()
	return s.Done + uint64(s.Running)
}
