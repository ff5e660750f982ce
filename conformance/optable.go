package conformance

// An opDef says what an op takes and does. Exactly one of now, wait and control
// is set.
type opDef struct {
	args     []kind
	optional int // so many of the last arguments may be missing

	coro     int  // which argument names a coroutine; -1: none
	inside   bool // that coroutine runs inside the op
	object   int  // which argument names an object; -1: none
	callback int  // which argument is the ops of a callback; -1: none

	now     func(*call) (any, error)    // never waits; what it returns or raises is logged
	wait    func(*call) (any, error)    // may wait; what it raises is logged and goes up
	control func(*call) (*leave, error) // logs nothing itself
}

// ops is the language. It is filled by init, because the ops run lists of ops.
var ops map[string]opDef

func init() {
	ops = map[string]opDef{}
	for _, t := range []map[string]opDef{controlOps(), waitOps(), objectOps(), streamOps(), nowOps()} {
		for name, d := range t {
			ops[name] = d
		}
	}
}

func def(args ...kind) opDef {
	return opDef{args: args, coro: -1, object: -1, callback: -1}
}

// on is def for an op whose first argument is an object.
func on(args ...kind) opDef {
	d := def(append([]kind{text}, args...)...)
	d.object = 0
	return d
}

func (d opDef) opt(n int) opDef                              { d.optional = n; return d }
func (d opDef) spawns(arg int) opDef                         { d.coro = arg; return d }
func (d opDef) runs(arg int) opDef                           { d.coro, d.inside = arg, true; return d }
func (d opDef) schedules(arg int) opDef                      { d.callback = arg; return d }
func (d opDef) does(f func(*call) (any, error)) opDef        { d.now = f; return d }
func (d opDef) waits(f func(*call) (any, error)) opDef       { d.wait = f; return d }
func (d opDef) controls(f func(*call) (*leave, error)) opDef { d.control = f; return d }
