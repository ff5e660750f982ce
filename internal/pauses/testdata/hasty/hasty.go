// Package hasty begins things.
package hasty

// Begin calls begun on a goroutine.
func Begin(begun func()) {
	go func() {
		n := 0
		switch {
		case n == 0:
			begun() // the place
		default:
			n++
		}
	}()
}
