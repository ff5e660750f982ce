package asyncio

import "github.com/asyncio-go/asyncio/internal/loopvalue"

// loopValues is what other packages keep for a loop.
type loopValues struct{ byKey map[any]any }

func init() {
	loopvalue.Of = func(loop, key any, make func() any) any {
		s := partOf[loopValues](loop.(*Loop), valuesPart)
		v, ok := s.byKey[key]
		if !ok {
			if s.byKey == nil {
				s.byKey = map[any]any{}
			}
			v = make()
			s.byKey[key] = v
		}
		return v
	}
}

// close implements part.
func (s *loopValues) close(*Loop) { s.byKey = nil }
