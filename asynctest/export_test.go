package asynctest

import "time"

// SetStallLimits sets how long loops may stand still, until restore is called.
func SetStallLimits(limit time.Duration) (restore func()) {
	on, virtual := stallLimit, virtualStallLimit
	stallLimit, virtualStallLimit = limit, limit
	return func() { stallLimit, virtualStallLimit = on, virtual }
}
