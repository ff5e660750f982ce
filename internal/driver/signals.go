package driver

import "os"

// A Signaler is a driver of a world that sends its signals itself.
type Signaler interface {
	// NotifySignal has h told, by a Readable event, when the signal comes, and no one
	// else. With nil nobody is told, and the signal does what it does by default.
	NotifySignal(sig os.Signal, h Handler)
}
