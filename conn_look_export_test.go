package asyncio

// LookAtParts returns what the parts of a loop show just now.
func LookAtParts(l *Loop, o LookOptions) *LoopLook {
	k := &LoopLook{}
	for _, s := range k.lookAtParts(l, &o) {
		k.Sockets = append(k.Sockets, s.lookAtSocket())
	}
	return k
}

// Describe returns how it is told that a task waits for a transport or a server.
func Describe(what any) (w WaitLook, object any) {
	object = what.(waitDescriber).describeWait(&w)
	return w, object
}
