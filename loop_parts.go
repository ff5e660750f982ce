package asyncio

// A part is what another layer keeps for a loop, its servers or its processes,
// and what must end with the loop. The kernel closes it and does not know what
// it is.
type part interface {
	// close ends what the part holds. It is called once, by Loop.Close, when
	// all tasks have ended.
	close(l *Loop)
}

// A settlingPart is a part that must know earlier that the loop closes: its
// settle is called before the tasks are ended.
type settlingPart interface {
	part
	settle()
}

// A partID is the place of a part among the others. They are closed in this
// order: those who make connections first, the executor, whose jobs may work
// for any of them, last.
type partID uint8

const (
	valuesPart partID = iota
	serversPart
	connectionsPart
	datagramsPart
	descriptorsPart
	processesPart
	signalsPart
	lookupsPart
	executorPart

	numParts
)

// partList is the parts of a loop. One that the loop has had no use for is nil.
type partList [numParts]part

// partOf returns the part of l that has the id, made when it is first asked for.
func partOf[T any, P interface {
	*T
	part
}](l *Loop, id partID) P {
	if p := l.parts[id]; p != nil {
		return p.(P)
	}
	p := P(new(T))
	l.parts[id] = p
	return p
}

// settle tells the parts that the loop is about to end its tasks.
func (s *partList) settle() {
	for _, p := range s {
		if p, ok := p.(settlingPart); ok {
			p.settle()
		}
	}
}

// close closes the parts in their order.
func (s *partList) close(l *Loop) {
	for _, p := range s {
		if p != nil {
			p.close(l)
		}
	}
}
