package spawn

import (
	"fmt"
	"io/fs"
	"math"
	"syscall"
)

// A Size is that of a terminal, in characters.
type Size struct{ Columns, Rows int }

// Check returns an error that is [fs.ErrInvalid] for a size that no terminal can
// have.
func (s Size) Check() error {
	if s.Columns < 0 || s.Columns > math.MaxUint16 || s.Rows < 0 || s.Rows > math.MaxUint16 {
		return fmt.Errorf("a terminal of %d columns and %d rows: %w", s.Columns, s.Rows, fs.ErrInvalid)
	}
	return nil
}

// SetTerminalSize tells the terminal that it has another size.
func SetTerminalSize(terminal syscall.RawConn, size Size) error {
	if err := size.Check(); err != nil {
		return err
	}
	return setTerminalSize(terminal, size)
}
