//go:build race

package portable

const raceEnabled = true
