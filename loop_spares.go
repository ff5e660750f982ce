package asyncio

// spares are small things that tasks need for a wait, kept for the next one: so
// a wait allocates nothing, and a task that does not wait holds nothing for it.
type spares[T any] struct{ kept []*T }

// maxSpares bounds what is left of a burst.
const maxSpares = 256

// get returns one, in whatever state it was put back.
func (s *spares[T]) get() *T {
	n := len(s.kept)
	if n == 0 {
		return new(T)
	}
	x := s.kept[n-1]
	s.kept = s.kept[:n-1]
	return x
}

func (s *spares[T]) put(x *T) {
	if len(s.kept) < maxSpares {
		s.kept = append(s.kept, x)
	}
}
