package asyncsql

import "time"

// Jobs returns how many calls the threads have begun.
func Jobs(db *DB) uint64 {
	db.lanes.mu.Lock()
	defer db.lanes.mu.Unlock()
	return db.lanes.begun
}

// Replays returns how many rows are being read once more.
func Replays(db *DB) int { return db.replay.Stats().InUse }

// SetPatience sets how long a batch waits for more rows.
func SetPatience(db *DB, d time.Duration) { db.batch.patience = d }
