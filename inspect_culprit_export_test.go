package asyncio

import "runtime"

// What looks at stacks is tried on stacks that a test makes up.
var (
	ProgramCounters = programCounters
	RunsLoop        = runsLoop
	IsSuspended     = isSuspended
	WhatItDoes      = whatItDoes
	PlainFunction   = plainFunction
	CoroPackage     = coroPackage
	RunForeverName  = loopForever
	TaskBodyName    = taskBody
)

// PlaceAndStack returns where the user's code stands, and the stack as it is
// reported.
func PlaceAndStack(frames []runtime.Frame) (place, stack string) {
	c := &culprit{frames: frames}
	return c.place(), c.stack()
}

// StackOfGoroutine is what the watchdog shows of a goroutine.
var StackOfGoroutine = stackOfGoroutine

// IsStandardByName reports whether a function is taken for one of Go's library
// where the names of files do not tell.
func IsStandardByName(function string) bool {
	saved := standardFiles
	defer func() { standardFiles = saved }()
	standardFiles = ""
	return isStandard(runtime.Frame{Function: function})
}
