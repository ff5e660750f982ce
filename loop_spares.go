package asyncio

// spares are small things that tasks need for a wait, kept for the next one: so
// a wait allocates nothing, and a task that does not wait holds nothing for it.
type spares[T any] struct {
	kept  []*T
	fresh []T // never used yet
}

const (
	maxSpares    = 256 // what is left of a burst
	sparesAtOnce = 8   // made together: the collector has fewer to find
)

// get returns one, in whatever state it was put back.
func (s *spares[T]) get() *T {
	n := len(s.kept)
	if n == 0 {
		return s.first()
	}
	x := s.kept[n-1]
	s.kept = s.kept[:n-1]
	return x
}

func (s *spares[T]) first() *T {
	if len(s.fresh) == 0 {
		s.fresh = make([]T, sparesAtOnce)
	}
	x := &s.fresh[0]
	s.fresh = s.fresh[1:]
	return x
}

func (s *spares[T]) put(x *T) {
	if len(s.kept) < maxSpares {
		s.kept = append(s.kept, x)
		return
	}
	var zero T
	*x = zero // others that were made with it may keep it
}
