package asyncio

import (
	"fmt"

	"github.com/asyncio-go/asyncio/internal/driver"
)

// escape returns why the loop's world does not let that out, or nil: only a
// simulated world is closed.
func (l *Loop) escape(what string) error {
	if f, ok := l.driver.(driver.Fence); ok {
		return fmt.Errorf("asyncio: %w", f.Escape(what))
	}
	return nil
}
