package asyncio

import "context"

// lookupThreads is how many names are looked up at a time.
const lookupThreads = 16

// lookups is where a loop looks names up. They have threads of their own: in the
// default executor a few functions that block for long would keep every new
// connection waiting.
type lookups struct{ pool *ThreadPoolExecutor }

// lookUp runs fn, which looks a name up, on a thread and waits for it.
func lookUp[T any](t *task, level context.Context, fn func(context.Context) (T, error)) (T, error) {
	l := partOf[lookups](t.loop, lookupsPart)
	if l.pool == nil {
		l.pool = NewThreadPoolExecutor(lookupThreads)
	}
	return inExecutor(t, level, valuesOf(t, level), l.pool, fn)
}

// close drops what waits and ends the contexts of the rest.
func (l *lookups) close(*Loop) {
	if l.pool == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = l.pool.Shutdown(ctx) // who looked up was told that the loop is closed
}

// look implements lookingPart.
func (l *lookups) look(k *seenLoop) {
	if l.pool != nil {
		k.Executors = append(k.Executors, l.pool.look("lookups"))
	}
}
