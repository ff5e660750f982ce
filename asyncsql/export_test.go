package asyncsql

// Jobs returns how many calls the threads have begun.
func Jobs(db *DB) uint64 {
	db.lanes.mu.Lock()
	defer db.lanes.mu.Unlock()
	return db.lanes.begun
}
